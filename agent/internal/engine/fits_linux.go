package engine

import "os"

// longest is how many bytes an argument, or NAME=value, may have: 32 pages with the zero behind it (execve(2)).
func longest() int { return 32*os.Getpagesize() - 1 }
