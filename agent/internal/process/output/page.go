package output

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"unicode/utf8"
)

// page is what one read takes: at most limit bytes as Entry.Size counts them, but at least one entry unless it is strict, and at
// most so many entries if most is not 0. It keeps them, or passes them on.
type page struct {
	limit  int64
	strict bool
	most   int
	keep   bool
	pass   func(Entry) error

	count   int
	size    int64
	longest int
	text    int64
	entries []Entry
	failed  error
}

// take adds e, whose text may still be bytes, or says that the page is full.
func (p *page) take(e Entry, text []byte) bool {
	size := e.Size() + int64(len(text))
	switch {
	case p.failed != nil, p.most > 0 && p.count == p.most:
		return false
	case (p.count > 0 || p.strict) && p.size+size > p.limit:
		return false
	}
	p.longest = max(p.longest, len(e.Text), len(text))
	p.text += int64(len(e.Text)) + validSize(text)
	if text != nil && p.keep {
		e.Text = string(text)
	}
	if p.keep {
		p.entries = append(p.entries, e)
	}
	if p.pass != nil {
		if p.failed = p.pass(e); p.failed != nil {
			return false
		}
	}
	p.count++
	p.size += size
	return true
}

// validSize is how many bytes a text has where what is not UTF-8 is replaced.
func validSize(text []byte) int64 {
	if utf8.Valid(text) {
		return int64(len(text))
	}
	return int64(len(bytes.ToValidUTF8(text, []byte(string(utf8.RuneError)))))
}

// maxOpen bounds the files that a Page has open.
const maxOpen = 256

// Page is entries that are still to be read: it has seen how many they are, and holds the files that they are in, so that it can
// read them even when they are removed meanwhile. It is for one goroutine.
type Page struct {
	from  Reader
	names []string
	files map[string]*os.File

	// Size is what the entries count for as Entry.Size has it, and Longest the bytes of the longest text.
	Size    int64
	Longest int
	// Count is how many there are, and Text the bytes of their texts, where what is not UTF-8 counts as the replacement character.
	Count int
	Text  int64
}

// ReadLater is Read that leaves the entries on the disk until Page.Each. Close the Page.
func (r *Reader) ReadLater(limit int64) (p *Page, more bool, err error) {
	p = &Page{from: *r, files: map[string]*os.File{}}
	seen := page{limit: limit}
	var buffer []byte
	more, err = r.read(&seen, func(name string, offset int64) (data []byte, err error) {
		if data, err = p.hold(name, offset, buffer); cap(data) > cap(buffer) {
			buffer = data
		}
		return data, err
	})
	if errors.Is(err, errManyOpen) {
		more, err = true, nil
	}
	if err != nil {
		p.Close()
		return nil, false, err
	}
	p.Size, p.Longest, p.Count, p.Text = seen.size, seen.longest, seen.count, seen.text
	return p, more, nil
}

// errManyOpen ends a Page before the segment that would be one too many.
var errManyOpen = errors.New("a page has many segments")

// hold loads a segment and keeps it open.
func (p *Page) hold(name string, offset int64, buffer []byte) ([]byte, error) {
	if len(p.names) == maxOpen {
		return nil, errManyOpen
	}
	file, err := os.Open(filepath.Join(p.from.dir, name)) // #nosec G304 -- a file of the ticket's own folder
	if err != nil {
		return nil, err
	}
	p.names = append(p.names, name)
	p.files[name] = file
	return loadFile(file, offset, buffer)
}

// Each calls do with one entry after the other, and ends with its error. It may be called again.
func (p *Page) Each(do func(Entry) error) error {
	if p.Count == 0 {
		return nil
	}
	again := page{limit: p.Size, most: p.Count, pass: do}
	r := p.from
	var buffer []byte
	_, err := r.readFrom(p.names, &again, func(name string, offset int64) (data []byte, err error) {
		if data, err = loadFile(p.files[name], offset, buffer); cap(data) > cap(buffer) {
			buffer = data
		}
		return data, err
	})
	switch {
	case again.failed != nil:
		return again.failed
	case err != nil:
		return err
	case again.count != p.Count:
		return fmt.Errorf("of %d lines of output %d are there still", p.Count, again.count)
	}
	return nil
}

// Close lets go of the files.
func (p *Page) Close() {
	for _, file := range p.files {
		_ = file.Close()
	}
	p.files = nil
}
