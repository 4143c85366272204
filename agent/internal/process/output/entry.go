package output

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"time"
)

// Source is the stream that an entry came from; the numbers are those of the wire (halibut.md section 6.2).
type Source uint8

// The sources.
const (
	StdOut Source = 0
	StdErr Source = 1
)

const (
	// Overhead is what an entry counts for beside the bytes of its text, wherever output is bounded.
	Overhead = 64
	// MaxText is the largest text of an entry in bytes; longer lines become several entries.
	MaxText = 64 << 10
)

// Entry is one line of output, without its line end.
type Entry struct {
	// Number counts from 1 without end; it is never given twice.
	Number   int64
	Source   Source
	Occurred time.Time // UTC, in milliseconds; for people only, order is by Number
	Text     string
}

// Size is what the entry counts for where output is bounded, in bytes.
func (e Entry) Size() int64 { return int64(len(e.Text)) + Overhead }

// Limits bound what is kept, in bytes as Size counts them. A zero field means its default.
type Limits struct {
	Segment int64 `json:"segment,omitempty"` // about the size of a segment; 1 MiB
	Head    int64 `json:"head,omitempty"`    // how much is kept from the beginning; 40 MiB
	Tail    int64 `json:"tail,omitempty"`    // how much is kept from the end; 10 MiB
}

func (l Limits) withDefaults() Limits {
	if l.Segment <= 0 || l.Segment > 1<<20 {
		l.Segment = 1 << 20
	}
	if l.Head <= 0 {
		l.Head = 40 << 20
	}
	if l.Tail <= 0 {
		l.Tail = 10 << 20
	}
	return l
}

// The header of a segment: a mark, the number of its first entry, and the size of all entries before it.
const (
	segmentMark   = "mantout1"
	segmentHeader = 8 + 8 + 8
	segmentPrefix = "output-"
	// maxSegment bounds what a reader takes of a segment into memory. A writer's segment stays far below it.
	maxSegment = 4 << 20
)

// The header of an entry: checksum of what follows it, length of the text, number, milliseconds, source.
const entryHeader = 4 + 4 + 8 + 8 + 1

func segmentName(first int64) string { return fmt.Sprintf("%s%016d", segmentPrefix, first) }

func segmentFirst(name string) (int64, bool) {
	digits, ok := strings.CutPrefix(name, segmentPrefix)
	if !ok {
		return 0, false
	}
	first, err := strconv.ParseInt(digits, 10, 64)
	return first, err == nil && first > 0
}

func appendSegmentHeader(b []byte, first, before int64) []byte {
	b = append(b, segmentMark...)
	b = binary.LittleEndian.AppendUint64(b, uint64(first))     // #nosec G115 -- never negative
	return binary.LittleEndian.AppendUint64(b, uint64(before)) // #nosec G115 -- never negative
}

func parseSegmentHeader(b []byte) (first, before int64, ok bool) {
	if len(b) < segmentHeader || string(b[:8]) != segmentMark {
		return 0, 0, false
	}
	first = int64(binary.LittleEndian.Uint64(b[8:]))   // #nosec G115 -- checked below
	before = int64(binary.LittleEndian.Uint64(b[16:])) // #nosec G115 -- checked below
	return first, before, first > 0 && before >= 0
}

func appendEntry(b []byte, number, millis int64, source Source, text []byte) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(text))) // #nosec G115 -- at most MaxText
	b = binary.LittleEndian.AppendUint64(b, uint64(number))    // #nosec G115 -- never negative
	b = binary.LittleEndian.AppendUint64(b, uint64(millis))    // #nosec G115 -- read back the same way
	b = append(b, byte(source))
	b = append(b, text...)
	binary.LittleEndian.PutUint32(b[start:], crc32.Checksum(b[start+4:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// parseEntry returns the entry at the beginning of b and its length in the segment, or false where there
// is no whole one.
func parseEntry(b []byte) (Entry, int, bool) {
	if len(b) < entryHeader {
		return Entry{}, 0, false
	}
	length := int(binary.LittleEndian.Uint32(b[4:]))
	if length > MaxText || len(b) < entryHeader+length {
		return Entry{}, 0, false
	}
	end := entryHeader + length
	if binary.LittleEndian.Uint32(b) != crc32.Checksum(b[4:end], crc32.MakeTable(crc32.Castagnoli)) {
		return Entry{}, 0, false
	}
	return Entry{
		Number:   int64(binary.LittleEndian.Uint64(b[8:])),                        // #nosec G115 -- as written
		Occurred: time.UnixMilli(int64(binary.LittleEndian.Uint64(b[16:]))).UTC(), // #nosec G115 -- as written
		Source:   Source(b[24]),
		Text:     string(b[entryHeader:end]),
	}, end, true
}
