package halibut

import (
	"bytes"
	"compress/flate"
	"io"
)

// deflatingPart is how much of a document is compressed at a time.
const deflatingPart = 128 << 10

// deflater compresses a document that is not in memory whole, and writes it in the form of codec.deflate. It computes in turns with
// others, and waits for the peer in none.
type deflater struct {
	codec *codec
	to    io.Writer
	w     *flate.Writer
	part  []byte
	out   bytes.Buffer
}

func (c *codec) deflating(to io.Writer) (*deflater, error) {
	d := &deflater{codec: c, to: to, part: make([]byte, 0, deflatingPart+storedTail)}
	var err error
	d.w, err = c.writer(&d.out)
	return d, err
}

// release gives back what compressing needs.
func (d *deflater) release() { d.codec.writers.Put(d.w) }

func (d *deflater) write(p []byte) error {
	for len(p) > 0 {
		n := min(len(p), cap(d.part)-len(d.part))
		d.part = append(d.part, p[:n]...)
		p = p[n:]
		if len(d.part) == cap(d.part) {
			if err := d.compress(d.w.Write, d.part[:deflatingPart]); err != nil {
				return err
			}
			d.part = append(d.part[:0], d.part[deflatingPart:]...)
			if err := d.pass(recordSize); err != nil {
				return err
			}
		}
	}
	return nil
}

// end writes the last bytes of the document, and the end of the message in the same write as those.
func (d *deflater) end(p []byte) error {
	if err := d.write(p); err != nil {
		return err
	}
	body, tail := d.part[:max(len(d.part)-storedTail, 0)], d.part[max(len(d.part)-storedTail, 0):]
	err := d.compress(func(p []byte) (int, error) {
		n, err := d.w.Write(p)
		if err == nil {
			err = d.w.Flush()
		}
		return n, err
	}, body)
	if err != nil {
		return err
	}
	_, err = d.to.Write(appendStored(d.out.Bytes(), tail))
	return err
}

// compress does so in a place that few have at a time.
func (d *deflater) compress(write func([]byte) (int, error), p []byte) error {
	d.codec.compressing <- struct{}{}
	defer func() { <-d.codec.compressing }()
	_, err := write(p)
	return err
}

// pass writes what is compressed, where that is enough.
func (d *deflater) pass(enough int) error {
	if d.out.Len() < enough {
		return nil
	}
	_, err := d.to.Write(d.out.Bytes())
	d.out.Reset()
	return err
}
