package halibut

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
)

// GUID is a .NET Guid, its bytes in the order of its text form. BSON and data stream frames carry it in
// .NET's order, with the first three groups reversed; the codec takes care of that.
type GUID [16]byte

// NewGUID returns a random GUID (version 4).
func NewGUID() GUID {
	var g GUID
	_, _ = rand.Read(g[:]) // It never fails: crypto/rand ends the program instead.
	g[6] = g[6]&0x0f | 0x40
	g[8] = g[8]&0x3f | 0x80
	return g
}

// ParseGUID reads a GUID of 32 hex digits in any case, with dashes as in
// 8c381b65-bb84-4e47-a84b-d665b55f8b7f or without.
func ParseGUID(s string) (GUID, error) {
	var g GUID
	digits := s
	if len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-' {
		digits = s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:]
	}
	if len(digits) != hex.EncodedLen(len(g)) {
		return GUID{}, fmt.Errorf("GUID %.60q does not have 32 hex digits", s)
	}
	if _, err := hex.Decode(g[:], []byte(digits)); err != nil {
		return GUID{}, fmt.Errorf("GUID %.60q is not hexadecimal", s)
	}
	return g, nil
}

// String returns the usual form: lower-case, with dashes.
func (g GUID) String() string {
	h := hex.EncodeToString(g[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// net returns the bytes in .NET's order. The same function leads back.
func (g GUID) net() GUID {
	return GUID{
		g[3], g[2], g[1], g[0], g[5], g[4], g[7], g[6],
		g[8], g[9], g[10], g[11], g[12], g[13], g[14], g[15],
	}
}
