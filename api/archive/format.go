package archive

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io"
	"strconv"
	"strings"
)

// Gunzip decompresses all members of r. As gzip does, it takes zeros behind the last one for padding.
func Gunzip(r *bufio.Reader) (io.Reader, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	z.Multistream(false)
	return &members{from: r, z: z}, nil
}

// members reads one member of a gzip after the other.
type members struct {
	from *bufio.Reader
	z    *gzip.Reader
	err  error
}

func (m *members) Read(p []byte) (int, error) {
	for m.err == nil {
		n, err := m.z.Read(p)
		if errors.Is(err, io.EOF) {
			err = m.next()
		}
		m.err = err
		if n > 0 || len(p) == 0 {
			return n, nil
		}
	}
	return 0, m.err
}

// next goes on to the next member. It returns io.EOF where nothing but padding is left.
func (m *members) next() error {
	begin, err := m.from.Peek(1)
	if err == nil && begin[0] != 0 {
		err = m.z.Reset(m.from)
		m.z.Multistream(false)
		return err
	}
	for {
		c, err := m.from.ReadByte()
		switch {
		case err != nil:
			return err // io.EOF at the end
		case c != 0:
			return gzip.ErrHeader
		}
	}
}

// IsTar tells by the first 512 bytes of a file whether it is a tar, also one of before POSIX, which has nothing but a checksum.
func IsTar(head []byte) bool {
	if len(head) < 512 {
		return false
	}
	if string(head[257:262]) == "ustar" {
		return true
	}
	want, err := strconv.ParseUint(strings.Trim(string(head[148:156]), " \x00"), 8, 32)
	if err != nil || head[0] == 0 {
		return false
	}
	sum := uint64(0)
	for i, c := range head[:512] {
		if i >= 148 && i < 156 {
			c = ' '
		}
		sum += uint64(c)
	}
	return sum == want
}
