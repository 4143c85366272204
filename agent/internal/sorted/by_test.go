package sorted

import (
	"slices"
	"testing"
)

func TestByKeepsTheOrderOfEquals(t *testing.T) {
	type item struct {
		key  int
		name string
	}
	got := []item{{2, "a"}, {1, "b"}, {2, "c"}, {1, "d"}}
	By(got, func(a, b item) int { return a.key - b.key })
	if want := []item{{1, "b"}, {1, "d"}, {2, "a"}, {2, "c"}}; !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}
