package tentacletest

import (
	"fmt"
	"math/rand/v2"
	"runtime"
)

// Loopback is an address to listen at, with a port of the system's choice. On Linux it is one of the loopback's many
// addresses, so that nobody else takes the port while a listener is away that comes back to it.
func Loopback() string {
	if runtime.GOOS != "linux" {
		return "127.0.0.1:0"
	}
	return fmt.Sprintf("127.%d.%d.%d:0", 1+rand.IntN(250), rand.IntN(250), 1+rand.IntN(250)) // #nosec G404 -- no secret
}
