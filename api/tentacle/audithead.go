package tentacle

import (
	"fmt"
	"strconv"
	"strings"
)

// AuditHead names the end of a machine's audit log: how many lines were ever written, and the hash of the last
// one. Who keeps a head of another time can prove that no line up to it was changed or taken away.
type AuditHead struct {
	// Count is the number of the last line; 0 before the first.
	Count int64
	// Hash is its SHA-256 in 64 lower-case hex digits, all zeros before the first.
	Hash string
}

// NoAuditHash is what stands where a hash belongs before the first line.
var NoAuditHash = strings.Repeat("0", auditHashLength)

const auditHashLength = 64

// ParseAuditHead reads COUNT:HASH.
func ParseAuditHead(text string) (AuditHead, error) {
	number, hash, found := strings.Cut(text, ":")
	count, err := strconv.ParseInt(number, 10, 64)
	if !found || err != nil || count < 0 || strconv.FormatInt(count, 10) != number || !validAuditHash(hash) {
		return AuditHead{}, fmt.Errorf("%.100q is no head of an audit log; write COUNT:HASH, a number and 64 lower-case hex digits, as 'tentacle show' prints it", text)
	}
	return AuditHead{Count: count, Hash: hash}, nil
}

func validAuditHash(hash string) bool {
	return len(hash) == auditHashLength && strings.Trim(hash, "0123456789abcdef") == ""
}

// String is COUNT:HASH.
func (h AuditHead) String() string { return strconv.FormatInt(h.Count, 10) + ":" + h.Hash }

// MarshalText is String.
func (h AuditHead) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// IsAuditHead tells whether a capability string is a head, which changes with all that a machine does.
func IsAuditHead(capability string) bool { return strings.HasPrefix(capability, auditFact) }
