// Package owners tells the operators of one machine apart where what they leave lies side by side: tickets of the same name, and
// the contents of packages. Which operator has which folder below Applications is the policy's.
package owners

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// filePrefix begins the names of the files by which a content tells whose it is.
const filePrefix = "owner-"

// Mark is short, may stand in the name of a file, and is another one for every operator. An operator is named by the SHA-256
// thumbprint of its certificate.
func Mark(operator string) string {
	sum := sha256.Sum256([]byte(operator))
	return hex.EncodeToString(sum[:8])
}

// File is the name of the empty file that lies beside a content which an operator has sent.
func File(operator string) string { return filePrefix + Mark(operator) }

// MarkOf is the mark of the operator whose File it is; false for another file.
func MarkOf(file string) (mark string, ok bool) { return strings.CutPrefix(file, filePrefix) }
