package halibut

import (
	"strings"
	"testing"
)

func TestWhatIsNoThumbprintIsToldWithWhatToWrite(t *testing.T) {
	const both, long = "write 40 hex digits, or sha256: and 64 hex digits", "write sha256: and 64 hex digits"
	for text, want := range map[string]string{
		"":                                   "is empty: " + both,
		"zz":                                 `"zz" has 2 characters: ` + both,
		"36:F3:50":                           "has spaces or colons: " + both + ", without separators",
		strings.Repeat("z", 40):              "is not hexadecimal: " + both,
		"sha256:36F3":                        "has 4 characters: " + long,
		"SHA256:" + strings.Repeat("a:", 32): "has spaces or colons: " + long + ", without separators",
		"sha256:" + strings.Repeat("z", 64):  "is not hexadecimal: " + long,
	} {
		if got, err := ParseThumbprint(text); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%q: %q, %v, want %s", text, got, err, want)
		}
	}
}
