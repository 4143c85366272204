package halibut

import "hash"

// At most digestsAtOnce contents are digested in a goroutine of their own, each with digestParts parts of digestPart bytes.
const (
	digestsAtOnce = 4
	digestParts   = 3
	digestPart    = 256 << 10
)

// digests digests contents while they arrive.
type digests struct {
	make   func() hash.Hash
	places chan struct{}
}

func newDigests(of func() hash.Hash) *digests {
	if of == nil {
		return nil
	}
	return &digests{of, make(chan struct{}, digestsAtOnce)}
}

// begin begins the digest of a content; nil has none. It is computed in a goroutine of its own, so that receiving does not wait for
// it, unless there are many already.
func (d *digests) begin() digester {
	if d == nil {
		return &digestWithin{memory: make([]byte, copySize)}
	}
	select {
	case d.places <- struct{}{}:
		return startBeside(d)
	default:
		return &digestWithin{d.make(), make([]byte, copySize)}
	}
}

// digester digests a content that arrives. Part returns memory for the next part, which is then added. End returns the digest of
// what was added; nothing can be added after it.
type digester interface {
	part() []byte
	add(part []byte)
	end() []byte
}

// digestWithin is computed while nothing is received, or not at all without a hash.
type digestWithin struct {
	hash   hash.Hash
	memory []byte
}

func (d *digestWithin) part() []byte { return d.memory }

func (d *digestWithin) add(part []byte) {
	if d.hash != nil {
		_, _ = d.hash.Write(part) // which never fails
	}
}

func (d *digestWithin) end() []byte {
	if d.hash == nil {
		return nil
	}
	return d.hash.Sum(nil)
}

// digestBeside is computed in a goroutine of its own.
type digestBeside struct {
	digests *digests
	hash    hash.Hash
	parts   chan []byte
	free    chan []byte
	ended   chan struct{}
}

func startBeside(of *digests) *digestBeside {
	d := &digestBeside{of, of.make(), make(chan []byte, digestParts), make(chan []byte, digestParts), make(chan struct{})}
	for range digestParts {
		d.free <- make([]byte, digestPart)
	}
	go func() {
		defer close(d.ended)
		for part := range d.parts {
			_, _ = d.hash.Write(part) // which never fails
			d.free <- part[:digestPart]
		}
	}()
	return d
}

func (d *digestBeside) part() []byte    { return <-d.free }
func (d *digestBeside) add(part []byte) { d.parts <- part }

func (d *digestBeside) end() []byte {
	close(d.parts)
	<-d.ended
	<-d.digests.places
	return d.hash.Sum(nil)
}
