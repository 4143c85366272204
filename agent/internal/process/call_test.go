package process

import (
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"
)

// The predecessor of this version left plan and secrets of a step in a file of their own.
func TestTheCallOfAnEarlierVersionIsTakenOnceAndWhole(t *testing.T) {
	dir := t.TempDir()
	const body = `{"a":1}["x"]`
	whole := fmt.Sprintf(`{"version":1,"plan":7,"secrets":5,"sum":%d}`, crc32.Checksum([]byte(body), castagnoli)) + "\n" + body
	file := filepath.Join(dir, CallFile)
	for n := range len(whole) + 1 {
		if err := os.WriteFile(file, []byte(whole[:n]), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := takeContent(dir)
		if (err == nil) != (n == len(whole)) || Marked(dir, CallFile) {
			t.Fatalf("%d of %d bytes: %v", n, len(whole), err)
		}
		if err == nil && (string(c.Plan) != `{"a":1}` || string(c.Secrets) != `["x"]`) {
			t.Errorf("got %+v", c)
		}
	}
}

func FuzzParseCall(f *testing.F) {
	f.Add([]byte(`{"version":1,"plan":2,"secrets":2,"sum":0}` + "\n{}[]"))
	f.Add([]byte(`{"version":1,"plan":-1,"secrets":9223372036854775807}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseCall(data)
		if err == nil && len(c.Plan)+len(c.Secrets) > len(data) {
			t.Error("more came out than went in")
		}
	})
}
