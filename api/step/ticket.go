package step

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"strconv"
	"strings"
)

// Ticket derives the identity of one attempt of one step on one target: `m` and the first 32 characters
// of lower-case base32 over SHA-256 of the four parts joined by NUL. The same parts always give the same
// ticket, so it need not be stored to be found again.
func Ticket(runUID, stepPath, targetUID string, attempt int) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{runUID, stepPath, targetUID, strconv.Itoa(attempt)}, "\x00")))
	return "m" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:32]
}

// Nonce derives a plan's nonce from its ticket. It is derived, not drawn, so that another process that
// takes a run over can read the result of a step which it did not start. It keeps a script from being
// taken for the engine by mistake; it is no secret from the script, which runs as the engine's user.
func Nonce(ticket string) string {
	sum := sha256.Sum256([]byte("mantle result nonce\x00" + ticket))
	return hex.EncodeToString(sum[:12])
}
