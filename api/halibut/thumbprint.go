package halibut

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

const (
	sha256Prefix = "sha256:"
	sha256Form   = "sha256: and 64 hex digits"
	eitherForm   = "40 hex digits, or " + sha256Form
)

// Thumbprint identifies a certificate by a digest of its DER form (halibut.md section 1.4). Its canonical
// forms are 40 upper-case hex digits (SHA-1) and "sha256:" with 64 lower-case ones; compare only values that
// came from ParseThumbprint, SHA1Thumbprint or SHA256Thumbprint. The empty Thumbprint matches nothing.
type Thumbprint string

// ParseThumbprint reads a thumbprint in either form and in any case, and returns it in canonical form. Spaces,
// colons and anything else that is not part of the form are refused with an error that says what to write.
func ParseThumbprint(s string) (Thumbprint, error) {
	if s == "" {
		return "", errors.New("thumbprint is empty: write " + eitherForm)
	}
	digits, size, form := s, sha1.Size, eitherForm
	if len(s) >= len(sha256Prefix) && strings.EqualFold(s[:len(sha256Prefix)], sha256Prefix) {
		digits, size, form = s[len(sha256Prefix):], sha256.Size, sha256Form
	}
	if strings.ContainsAny(digits, " \t\r\n:") {
		return "", fmt.Errorf("thumbprint %.100q has spaces or colons: write %s, without separators", s, form)
	}
	if len(digits) != hex.EncodedLen(size) {
		return "", fmt.Errorf("thumbprint %.100q has %d characters: write %s", s, len(digits), form)
	}
	if _, err := hex.DecodeString(digits); err != nil {
		return "", fmt.Errorf("thumbprint %.100q is not hexadecimal: write %s", s, form)
	}
	if size == sha256.Size {
		return Thumbprint(sha256Prefix + strings.ToLower(digits)), nil
	}
	return Thumbprint(strings.ToUpper(digits)), nil
}

// Matches tells whether t is the thumbprint of c. It is false for a nil certificate and an empty thumbprint.
func (t Thumbprint) Matches(c *x509.Certificate) bool {
	if c == nil || t == "" {
		return false
	}
	if strings.HasPrefix(string(t), sha256Prefix) {
		return t == SHA256Thumbprint(c)
	}
	return strings.EqualFold(string(t), string(SHA1Thumbprint(c)))
}

// SHA1Thumbprint returns the SHA-1 thumbprint of c, as Octopus writes it.
func SHA1Thumbprint(c *x509.Certificate) Thumbprint {
	sum := sha1.Sum(c.Raw)
	return Thumbprint(strings.ToUpper(hex.EncodeToString(sum[:])))
}

// SHA256Thumbprint returns the SHA-256 thumbprint of c with its prefix.
func SHA256Thumbprint(c *x509.Certificate) Thumbprint {
	sum := sha256.Sum256(c.Raw)
	return Thumbprint(sha256Prefix + hex.EncodeToString(sum[:]))
}
