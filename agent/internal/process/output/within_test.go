package output

import (
	"fmt"
	"strings"
	"testing"
)

func TestOutputIsKeptWithinALimit(t *testing.T) {
	for _, limit := range []int64{1 << 20, 3 << 20} {
		for _, size := range []int{400, 60 << 10} {
			w, dir := newWriter(t, Within(limit))
			filler := strings.Repeat("x", size)
			n := int(4*limit) / (size + 1)
			for i := range n {
				w.Line(StdOut, fmt.Sprintf("%s%d", filler, i))
			}
			w.Close()
			kept := int64(0)
			all := readAll(t, dir, 0, 1<<20)
			for _, e := range all {
				kept += e.Kept()
			}
			if kept > limit || kept < limit/2 {
				t.Errorf("limit %d, lines of %d bytes: %d bytes are kept", limit, size, kept)
			}
			if first, last := all[0], all[len(all)-1]; first.Number != 1 || last.Number != int64(n) {
				t.Errorf("limit %d, lines of %d bytes: kept from %d to %d of %d", limit, size, first.Number, last.Number, n)
			}
		}
	}
}
