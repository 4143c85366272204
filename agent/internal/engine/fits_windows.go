package engine

// longest is how many bytes an argument, or NAME=value, may have.
func longest() int { return 32766 }
