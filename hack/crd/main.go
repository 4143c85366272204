// Command crd joins the lines of each paragraph in the descriptions of custom resource definitions. controller-gen keeps
// the line breaks of the Go source, and `kubectl explain` would print them in the middle of sentences.
//
//	go run ./hack/crd config/crd/mantle.dev_*.yaml
package main

import (
	"fmt"
	"os"
)

func main() {
	for _, file := range os.Args[1:] {
		if err := rewrite(file); err != nil {
			fmt.Fprintln(os.Stderr, "crd:", err)
			os.Exit(1)
		}
	}
}
