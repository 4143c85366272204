package tentacletest

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxDocument bounds a message that is read in a playback.
const maxDocument = 64 << 20

// utterance is what one side says at once: a control line, or a message with the content of its data streams.
type utterance struct {
	control string
	message element
	streams [][]byte
}

// hear reads the next utterance of a listener. A message begins with neither M nor P as a control line does:
// its first byte has the bits of a deflate block, of which the writers in question never make these two.
func hear(r *bufio.Reader) (utterance, error) {
	for _, line := range []string{"MX-SERVER 1.0\r\n\r\n", "PROCEED\r\n"} {
		if b, err := r.Peek(4); err == nil && strings.HasPrefix(line, string(b)) {
			got := make([]byte, len(line))
			if _, err := io.ReadFull(r, got); err != nil || string(got) != line {
				return utterance{}, fmt.Errorf("reading %q: %q, %w", line, got, err)
			}
			return utterance{control: strings.TrimSpace(line)}, nil
		}
	}
	document, err := inflate(r)
	if err != nil {
		return utterance{}, err
	}
	u := utterance{}
	if u.message, err = parseBSON(document); err != nil {
		return utterance{}, err
	}
	u.message = u.message.member("Message")
	for range u.message.streams() {
		content, err := hearStream(r)
		if err != nil {
			return utterance{}, fmt.Errorf("reading a data stream: %w", err)
		}
		u.streams = append(u.streams, content)
	}
	return u, nil
}

func inflate(r *bufio.Reader) ([]byte, error) {
	document, err := io.ReadAll(io.LimitReader(flate.NewReader(r), maxDocument))
	if err != nil {
		return nil, fmt.Errorf("inflating a message: %w", err)
	}
	return document, nil
}

// hearStream reads one frame (halibut.md section 4).
func hearStream(r *bufio.Reader) ([]byte, error) {
	head := make([]byte, 24)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint64(head[16:])
	if size > maxDocument {
		return nil, fmt.Errorf("it has %d bytes", size)
	}
	content := make([]byte, size+8)
	if _, err := io.ReadFull(r, content); err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint64(content[size:]) != size {
		return nil, errors.New("its two lengths differ")
	}
	return content[:size], nil
}

// request finds the document that a record of the client holds whole, with the message in it, if it does.
func request(record []byte) (root, message element, ok bool) {
	document, err := inflate(bufio.NewReader(bytes.NewReader(record)))
	if err != nil {
		return element{}, element{}, false
	}
	root, err = parseBSON(document)
	message = root.member("Message")
	return root, message, err == nil && !message.isNull()
}

// deflate writes a document in stored blocks.
func deflate(document []byte) []byte {
	const most = 0xffff
	var b bytes.Buffer
	for {
		n := min(len(document), most)
		final := byte(0)
		if n == len(document) {
			final = 1
		}
		b.WriteByte(final)
		_ = binary.Write(&b, binary.LittleEndian, [2]uint16{uint16(n), ^uint16(n)})
		b.Write(document[:n])
		if document = document[n:]; final == 1 {
			return b.Bytes()
		}
	}
}
