package engine

// longest is how many bytes an argument, or NAME=value, may have: macOS has a limit for all together only.
func longest() int { return 0 }
