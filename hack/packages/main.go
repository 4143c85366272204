package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"time"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, out, stderr io.Writer) int {
	flags := flag.NewFlagSet("packages", flag.ContinueOnError)
	flags.SetOutput(stderr)
	var p recipe
	var seconds int64
	flags.StringVar(&p.root, "root", "../..", "root of the repository")
	flags.StringVar(&p.binary, "binary", "", "the tentacle to pack, built for -arch")
	flags.StringVar(&p.arch, "arch", "amd64", "its architecture, as Go names it")
	flags.StringVar(&p.described, "version", "", "its version, as `git describe` tells it")
	flags.StringVar(&p.out, "out", "../../dist", "folder for the packages")
	flags.Int64Var(&seconds, "time", 0, "time of everything in the packages, in seconds since 1970 (SOURCE_DATE_EPOCH)")
	if flags.Parse(args) != nil {
		return 2
	}
	if p.binary == "" || p.described == "" || seconds <= 0 {
		fmt.Fprintln(stderr, "packages: -binary, -version and -time are needed")
		return 2
	}
	p.time = time.Unix(seconds, 0).UTC()
	made, err := p.build()
	for _, path := range made {
		fmt.Fprintln(out, path)
	}
	if err != nil {
		fmt.Fprintln(stderr, "packages:", err)
		return 1
	}
	return 0
}
