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
	// Debug is for what the Tentacle itself tells of a script.
	Debug Source = 2
)

const (
	// Overhead is what an entry counts for beside the bytes of its text where an answer is bounded.
	Overhead = 64
	// MaxText is the largest text of an entry in bytes; longer lines become several entries.
	MaxText = 4 << 20
	// least is the least that a line counts for where what is kept is bounded, so that the disk is too: it takes up to five times
	// as much for the shortest lines.
	least = 7
)

// Entry is one line of output, without its line end.
type Entry struct {
	// Number counts from 1 without end; it is never given twice.
	Number   int64
	Source   Source
	Occurred time.Time // UTC, in milliseconds; for people only, order is by Number
	Text     string
}

// Size is what the entry counts for in an answer, in bytes.
func (e Entry) Size() int64 { return int64(len(e.Text)) + Overhead }

// Kept is what the entry counts for where what is kept is bounded, in bytes: its text and its line end.
func (e Entry) Kept() int64 { return keptSize(len(e.Text)) }

func keptSize(text int) int64 { return max(int64(text)+1, least) }

// Limits bound what is kept, in bytes as Entry.Kept counts them. A zero field means its default.
type Limits struct {
	Segment int64 `json:"segment,omitempty"` // about the size of a segment on the disk; 1 MiB
	Head    int64 `json:"head,omitempty"`    // how much is kept from the beginning; 40 MiB
	Tail    int64 `json:"tail,omitempty"`    // how much is kept from the end; 10 MiB
	Line    int64 `json:"line,omitempty"`    // the longest line that is one entry; MaxText
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
	if l.Line <= 0 || l.Line > MaxText {
		l.Line = MaxText
	}
	return l
}

// The header of a segment: a mark, the number of its first entry, and the size of all entries before it.
const (
	segmentMark   = "mantout1"
	segmentHeader = 8 + 8 + 8
	segmentPrefix = "output-"
	// maxSegment bounds what a reader takes of a segment into memory. A writer's segment stays below it.
	maxSegment = MaxText + 2<<20
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

// appendEntryHeader appends what stands before the text of an entry.
func appendEntryHeader(b []byte, number, millis int64, source Source, text []byte) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(text))) // #nosec G115 -- at most MaxText
	b = binary.LittleEndian.AppendUint64(b, uint64(number))    // #nosec G115 -- never negative
	b = binary.LittleEndian.AppendUint64(b, uint64(millis))    // #nosec G115 -- read back the same way
	b = append(b, byte(source))
	sum := crc32.Update(crc32.Checksum(b[start+4:], castagnoli), castagnoli, text)
	binary.LittleEndian.PutUint32(b[start:], sum)
	return b
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// parseEntry returns the entry at the beginning of b without its text, the text, and its length in the segment, or false where there
// is no whole one.
func parseEntry(b []byte) (e Entry, text []byte, length int, ok bool) {
	if len(b) < entryHeader {
		return Entry{}, nil, 0, false
	}
	length = int(binary.LittleEndian.Uint32(b[4:]))
	if length > MaxText || len(b) < entryHeader+length {
		return Entry{}, nil, 0, false
	}
	end := entryHeader + length
	if binary.LittleEndian.Uint32(b) != crc32.Checksum(b[4:end], castagnoli) {
		return Entry{}, nil, 0, false
	}
	return Entry{
		Number:   int64(binary.LittleEndian.Uint64(b[8:])),                        // #nosec G115 -- as written
		Occurred: time.UnixMilli(int64(binary.LittleEndian.Uint64(b[16:]))).UTC(), // #nosec G115 -- as written
		Source:   Source(b[24]),
	}, b[entryHeader:end], end, true
}
