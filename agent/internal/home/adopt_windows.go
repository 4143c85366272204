package home

import "os"

// Adopt has nothing to do: on Windows files inherit from their folder who may use them.
func Adopt(*os.File) error { return nil }

// AsOwner does f: access lists say on Windows who may change what is in a folder.
func AsOwner(_ string, f func() error) error { return f() }
