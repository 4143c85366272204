package halibut

import (
	"bytes"
	"crypto/sha1"
	"testing"
)

// TestWhatIsStoredInAFileIsDigestedOnItsWay: what is kept in memory is not.
func TestWhatIsStoredInAFileIsDigestedOnItsWay(t *testing.T) {
	for size, want := range map[int]bool{spoolMemory: false, spoolMemory + 1: true} {
		content := bytes.Repeat([]byte("x"), size)
		p := newSpool(t.TempDir(), 0)
		p.digest = sha1.New
		s := &DataStream{length: int64(size)}
		if err := p.take(bytes.NewReader(content), s); err != nil {
			t.Fatal(err)
		}
		sum := sha1.Sum(content)
		if got := s.Digest(); want && !bytes.Equal(got, sum[:]) || !want && got != nil {
			t.Errorf("%d bytes have the digest %x", size, got)
		}
	}
}
