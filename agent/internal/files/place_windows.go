package files

import "os"

// takePlace returns false: what is received is copied.
func takePlace(string, *os.Root, string, *os.File) bool { return false }
