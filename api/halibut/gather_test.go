package halibut

import (
	"encoding/binary"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// written keeps the TLS records of each write, by their lengths.
type written struct {
	net.Conn
	mu     sync.Mutex
	writes [][]int
}

func (w *written) Write(p []byte) (int, error) {
	var records []int
	for rest := p; len(rest) >= 5; {
		n := int(binary.BigEndian.Uint16(rest[3:])) + 5
		records = append(records, n)
		rest = rest[min(n, len(rest)):]
	}
	w.mu.Lock()
	w.writes = append(w.writes, records)
	w.mu.Unlock()
	return w.Conn.Write(p)
}

// TestARequestWithStreamsLeavesInOneWrite counts the writes of a request with one data stream: each of its five parts is a record
// of its own, in one write. A peer that needs pauses gets five.
func TestARequestWithStreamsLeavesInOneWrite(t *testing.T) {
	for pause, want := range map[time.Duration][]int{0: {5}, time.Millisecond: {1, 1, 1, 1, 1}} {
		l := start(t, nil)
		var tap *written
		c := l.dial(t, func(config *ClientConfig) {
			config.DialContext = (&tapped{wrap: func(c net.Conn) net.Conn { tap = &written{Conn: c}; return tap }}).dial
		})
		ep := l.endpoint
		ep.StreamPause = pause
		if _, err := c.Connect(t.Context(), ep); err != nil {
			t.Fatal(err)
		}
		before := len(tap.writes)
		var got note
		call(t, c, ep, "Echo", &got, note{Content: NewDataStreamBytes([]byte("content"))})
		if content := readAll(t, got.Content); string(content) != "content" {
			t.Errorf("%q came back", content)
		}
		var records []int
		for _, w := range tap.writes[before:] {
			records = append(records, len(w))
		}
		if !slices.Equal(records, want) {
			t.Errorf("with a pause of %s, the writes had %v records, want %v", pause, records, want)
		}
	}
}
