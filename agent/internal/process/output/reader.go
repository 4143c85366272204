package output

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Reader reads the output in a folder from a sequence on, and goes on where it ended: later calls see what
// was written since. It holds no open file. It is a small value for one goroutine at a time; a copy is a
// reader of its own at the same place.
type Reader struct {
	dir   string
	after int64
	at    position
}

// position is a place in the output: in segment, behind offset bytes, entry number was the last one; all
// entries up to it count for size where what is kept is bounded.
type position struct {
	segment string
	offset  int64
	number  int64
	size    int64
}

// NewReader returns a Reader of the entries whose number is larger than after.
func NewReader(dir string, after int64) Reader {
	return Reader{dir: dir, after: max(after, 0)}
}

// Last is the number of the last entry that the Reader has come to; at its beginning, where it begins.
func (r *Reader) Last() int64 { return max(r.at.number, r.after) }

// Read returns the next entries, together at most limit bytes as Entry.Size counts them, but at least one
// where there is one. more says that others are there already.
func (r *Reader) Read(limit int64) (entries []Entry, more bool, err error) {
	p := page{limit: limit, keep: true}
	more, err = r.read(&p, r.load)
	return p.entries, more, err
}

// ReadWithin is Read that returns no entry where the first one has more than limit bytes.
func (r *Reader) ReadWithin(limit int64) (entries []Entry, more bool, err error) {
	p := page{limit: limit, keep: true, strict: true}
	more, err = r.read(&p, r.load)
	return p.entries, more, err
}

// loader returns the rest of a segment behind the place of a Reader, all of it where it is another one.
type loader func(name string, offset int64) ([]byte, error)

func (r *Reader) read(p *page, load loader) (more bool, err error) {
	names, err := segments(r.dir)
	if err != nil {
		return false, fmt.Errorf("listing output: %w", err)
	}
	return r.readFrom(names, p, load)
}

// readFrom reads the segments of that names, and says whether the page got full.
func (r *Reader) readFrom(names []string, p *page, load loader) (full bool, err error) {
	for _, name := range r.from(names) {
		full, err := r.segment(name, p, load)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was removed since it was listed; the next one tells what is missing
		}
		if err != nil {
			return false, fmt.Errorf("reading output: %w", err)
		}
		if full {
			return true, nil
		}
	}
	return false, nil
}

// from returns the segments that hold what comes next.
func (r *Reader) from(names []string) []string {
	target := segmentName(r.Last() + 1)
	start := 0
	for i, name := range names {
		switch {
		case r.at.segment != "" && name < r.at.segment:
			start = i + 1 // read before
		case r.at.segment == "" && name <= target:
			start = i
		}
	}
	return names[start:]
}

// segment reads on in one segment and says whether the page got full.
func (r *Reader) segment(name string, p *page, load loader) (full bool, err error) {
	offset := int64(0)
	if name == r.at.segment {
		offset = r.at.offset
	}
	data, err := load(name, offset)
	if err != nil {
		return false, err
	}
	if name != r.at.segment {
		first, before, ok := parseSegmentHeader(data)
		if !ok {
			return false, nil
		}
		data = data[segmentHeader:]
		if !r.enter(name, first, before, p) {
			return true, nil
		}
	}
	return r.entries(data, p), nil
}

// entries reads the entries that data begins with, and says whether the page got full.
func (r *Reader) entries(data []byte, p *page) (full bool) {
	var whole string // of data, for the texts that are passed on: one copy for all
	if p.pass != nil {
		whole = string(data)
	}
	for {
		e, text, length, ok := parseEntry(data)
		if !ok || e.Number <= r.at.number {
			return false
		}
		if !p.missing(r.at.number, e.Number, r.after, 0) {
			return true
		}
		r.at.number = e.Number - 1
		if p.pass != nil {
			at := len(whole) - len(data) + entryHeader
			e.Text, text = whole[at:at+len(text)], nil
		}
		if e.Number > r.after && !p.take(e, text) {
			return true
		}
		r.at.number, r.at.size = e.Number, r.at.size+keptSize(length-entryHeader)
		r.at.offset += int64(length)
		data = data[length:]
	}
}

// enter goes to the beginning of a segment, or says that the page has no room for what is missing before it.
func (r *Reader) enter(name string, first, before int64, p *page) bool {
	number, size := r.at.number, before-r.at.size
	if r.at.segment == "" && r.after > 0 {
		number, size = min(first-1, r.after), 0
	}
	if !p.missing(number, first, r.after, size) {
		return false
	}
	r.at = position{segment: name, offset: segmentHeader, number: first - 1, size: before}
	return true
}

// missing takes one entry for the numbers between last and next, if there are any and they are asked for,
// or says that the page is full.
func (p *page) missing(last, next, after, size int64) bool {
	if next-1 <= last || next-1 <= after {
		return true
	}
	return p.take(Missing(next-1, next-1-last, size), nil)
}

// Missing is the entry that stands for lines that are not kept. It has the last of their numbers; size is
// what they counted for, 0 where that is unknown.
func Missing(number, lines, size int64) Entry {
	amount := fmt.Sprintf("%d lines of output", lines)
	if size > 0 {
		amount += fmt.Sprintf(" (%d KiB)", (size+1023)>>10)
	}
	text := "[" + amount + " are missing here: of a large output its beginning and its end are kept, and nothing while the disk is full]"
	return Entry{Number: number, Source: StdErr, Occurred: time.Now().UTC().Truncate(time.Millisecond), Text: text}
}

// load is a loader that opens the segment for as long as it reads.
func (r *Reader) load(name string, offset int64) ([]byte, error) {
	file, err := os.Open(filepath.Join(r.dir, name)) // #nosec G304 -- a file of the ticket's own folder
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return loadFile(file, offset, nil)
}

// loadFile reads into the memory of buffer where that is enough.
func loadFile(file *os.File, offset int64, buffer []byte) ([]byte, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	size := min(max(info.Size()-offset, 0), maxSegment)
	if int64(cap(buffer)) < size {
		buffer = make([]byte, size)
	}
	data := buffer[:size]
	n, err := file.ReadAt(data, offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return data[:n], nil
}

// seek goes to the end of the segment name without keeping anything.
func (r Reader) seek(name string) (position, error) {
	r.after = 1<<62 - 1
	r.at = position{}
	if first, ok := segmentFirst(name); ok {
		r.at.number = first - 1
	}
	_, err := r.segment(name, &page{}, r.load)
	return r.at, err
}

// End returns the number of the last entry of the output in dir; 0 where there is none.
func End(dir string) (int64, error) {
	names, err := segments(dir)
	if err != nil || len(names) == 0 {
		return 0, err
	}
	end, err := NewReader(dir, 0).seek(names[len(names)-1])
	return end.number, err
}

// segments returns the names of the segments in dir in the order of their numbers; none where there is no
// such folder.
func segments(dir string) ([]string, error) {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range files {
		if strings.HasPrefix(f.Name(), segmentPrefix) {
			if _, ok := segmentFirst(f.Name()); ok {
				names = append(names, f.Name())
			}
		}
	}
	return names, nil
}

// Remove removes the output in dir, as far as that can be done.
func Remove(dir string) {
	names, _ := segments(dir) // what cannot be listed stays
	for _, name := range names {
		_ = os.Remove(filepath.Join(dir, name)) // the folder is removed later, and tells what stays
	}
}
