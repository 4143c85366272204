package halibut

import (
	"runtime"
	"strings"
	"testing"
)

// BenchmarkCall measures a call on a pooled connection, small and large.
func BenchmarkCall(b *testing.B) {
	l := start(b, nil)
	c := l.dial(b, nil)
	for name, said := range map[string]string{"small": "hello", "64KiB": strings.Repeat("hello, world. ", 64<<10/14)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var got string
				call(b, c, l.endpoint, "Say", &got, said)
			}
		})
	}
}

// BenchmarkConnect measures a new connection with its handshake.
func BenchmarkConnect(b *testing.B) {
	l := start(b, nil)
	c := l.dial(b, nil)
	for b.Loop() {
		if _, err := c.Connect(b.Context(), l.endpoint); err != nil {
			b.Fatal(err)
		}
		c.CloseIdle(l.endpoint)
	}
}

// BenchmarkIdle tells what an idle connection takes, both ends together.
func BenchmarkIdle(b *testing.B) {
	const connections = 200
	l := start(b, nil)
	c := l.dial(b, func(config *ClientConfig) { config.MaxIdle = connections })
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse
	}
	for b.Loop() {
		before := heap()
		for range connections {
			if _, err := c.Connect(b.Context(), l.endpoint); err != nil {
				b.Fatal(err)
			}
		}
		after := heap()
		b.ReportMetric(float64(after-min(before, after))/connections, "bytes/connection")
		c.CloseIdle(l.endpoint)
	}
}
