package archive

import "fmt"

// Limits bound what an archive may hold, whatever it says of itself. Zero fields take the default.
type Limits struct {
	// Bytes is the most that all files have together, unpacked, and the most that the archive has uncompressed.
	Bytes int64
	// Entries is the most that the archive lists. It may make twice as many, with the folders that it does not list.
	Entries int
	// Ratio is how many times the compressed size the uncompressed may be, from RatioFrom bytes on.
	Ratio     int64
	RatioFrom int64
}

// OrDefault fills in the zero fields.
func (l Limits) OrDefault() Limits {
	if l.Bytes == 0 {
		l.Bytes = 32 << 30
	}
	if l.Entries == 0 {
		l.Entries = 200_000
	}
	if l.Ratio == 0 {
		l.Ratio = 200
	}
	if l.RatioFrom == 0 {
		l.RatioFrom = 256 << 20
	}
	return l
}

// RefusedError says why an archive is not taken. It names the entry.
type RefusedError struct {
	Why string
}

// Error tells why.
func (e *RefusedError) Error() string { return e.Why }

func refuse(format string, args ...any) error {
	return &RefusedError{Why: fmt.Sprintf(format, args...)}
}

// Gauge counts what goes into the decompression of an archive and what comes out, and stops a bomb while it goes off.
type Gauge struct {
	limits  Limits
	in, out int64
}

// NewGauge begins to count.
func NewGauge(limits Limits) *Gauge { return &Gauge{limits: limits.OrDefault()} }

// In counts compressed bytes that were read.
func (g *Gauge) In(n int64) { g.in += n }

// Out counts uncompressed bytes that were read. The error is a RefusedError.
func (g *Gauge) Out(n int64) error {
	g.out += n
	switch {
	case g.out > g.limits.Bytes:
		return refuse("the archive unpacks to more than %d bytes", g.limits.Bytes)
	case g.out > g.limits.RatioFrom && g.out/g.limits.Ratio > g.in:
		return refuse("the archive unpacks to more than %d times its size", g.limits.Ratio)
	}
	return nil
}
