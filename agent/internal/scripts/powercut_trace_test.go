//go:build linux

package scripts

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/mantledeploy/mantle/agent/internal/process"
)

// recorder builds a disk from what strace says that programs did.
type recorder struct {
	*disk
	root string
	// each is called after each step that changed something below root, and after each thing that the daemon said.
	each  func(*recorder)
	said  []string // by the daemon
	begun map[string]bool
	boot  string

	unfinished map[string]string // by process
	syncs      map[string]func() // that are under way
	output     string            // the daemon's
	buffer     string            // of it
}

// traced runs the test's own program under strace, and plays back what it did with the files of home.
func traced(t *testing.T, home, mode string, each func(*recorder)) *recorder {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed, so nothing can be recorded")
	}
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := exec.CommandContext(t.Context(), strace, "-f", "-qq", "-y", "-x", "-s", "1000000", "-e", "signal=none", "-o", trace,
		"-e", "trace=openat,write,pwrite64,fsync,fdatasync,renameat,linkat,unlinkat,mkdirat,ftruncate,truncate,rename,link,unlink,mkdir,rmdir", os.Args[0], mode, home)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("strace may not trace here: %v: %s", err, out)
	}
	data, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{disk: newDisk(home), root: home, each: each, begun: map[string]bool{}, boot: process.Boot(), unfinished: map[string]string{}, syncs: map[string]func(){}}
	for line := range strings.Lines(string(data)) {
		r.line(strings.TrimSuffix(line, "\n"))
	}
	return r
}

var (
	callLine    = regexp.MustCompile(`^(\d+) +(\w+)\((.*)\) += (-?\d+)`)
	resumedLine = regexp.MustCompile(`^(\d+) +<\.\.\. \w+ resumed>(.*)$`)
)

// line takes one line of a trace. A call that others interrupt has two.
func (r *recorder) line(line string) {
	pid, _, _ := strings.Cut(line, " ")
	if start, found := strings.CutSuffix(line, " <unfinished ...>"); found {
		r.unfinished[pid] = start
		if _, after, found := strings.Cut(start, "sync("); found {
			r.syncs[pid] = r.sync(r.path(arguments(after)[0]))
		}
		return
	}
	if m := resumedLine.FindStringSubmatch(line); m != nil {
		line = r.unfinished[pid] + m[2]
	}
	if m := callLine.FindStringSubmatch(line); m != nil && !strings.HasPrefix(m[4], "-") {
		r.call(pid, m[2], arguments(m[3]))
	}
}

// arguments splits the arguments of a call. A string has its quotes still.
func arguments(text string) (all []string) {
	for text = strings.TrimLeft(text, ", "); text != ""; text = strings.TrimLeft(text, ", ") {
		if quoted, err := strconv.QuotedPrefix(text); err == nil {
			all, text = append(all, quoted), text[len(quoted):]
			continue
		}
		one, rest, _ := strings.Cut(text, ", ")
		all, text = append(all, one), rest
	}
	return append(all, "", "", "", "")
}

func unquoted(text string) string {
	s, _ := strconv.Unquote(text)
	return s
}

// path is that of a descriptor, 5</path>, or of a string.
func (r *recorder) path(argument string) string {
	if strings.HasPrefix(argument, `"`) {
		return unquoted(argument)
	}
	_, path, _ := strings.Cut(argument, "<")
	return strings.TrimSuffix(path, ">")
}

// at is the path of a name in a folder.
func (r *recorder) at(folder, name string) string {
	if name := unquoted(name); !filepath.IsAbs(name) {
		return filepath.Join(r.path(folder), name)
	}
	return unquoted(name)
}

// concerns says whether a path is one of the scripts' own.
func (r *recorder) concerns(path string) bool {
	rest, found := strings.CutPrefix(path, r.root+"/")
	return found && (strings.HasPrefix(rest, ".tentacle") || strings.HasPrefix(rest, "Work"))
}

func (r *recorder) call(pid, name string, a []string) {
	changed := ""
	switch name {
	case "openat":
		changed = r.opened(r.at(a[0], a[1]), a[2])
	case "write", "pwrite64":
		if unquoted(a[1]) == "ready\n" {
			r.output = a[0]
		}
		if a[0] == r.output {
			r.says(unquoted(a[1]))
			return
		}
		changed = r.written(name, r.path(a[0]), []byte(unquoted(a[1])), a[3])
	case "fsync", "fdatasync":
		done := r.syncs[pid]
		delete(r.syncs, pid)
		if changed = r.path(a[0]); done == nil {
			done = r.sync(changed)
		}
		done()
	case "renameat", "linkat", "rename", "link":
		from, to := r.at(a[0], a[1]), r.at(a[2], a[3])
		if !strings.HasSuffix(name, "at") {
			from, to = unquoted(a[0]), unquoted(a[1])
		}
		op := nameOp{name: to, from: from, to: r.names[from]}
		if strings.HasPrefix(name, "link") {
			op.from = ""
		}
		r.named(op)
		changed = to
	case "unlinkat", "unlink", "rmdir":
		if changed = r.at(a[0], a[1]); name != "unlinkat" {
			changed = unquoted(a[0])
		}
		r.named(nameOp{name: changed})
	case "mkdirat", "mkdir":
		if changed = r.at(a[0], a[1]); name != "mkdirat" {
			changed = unquoted(a[0])
		}
		r.named(nameOp{name: changed, to: &inode{folder: true}})
	case "ftruncate", "truncate":
		changed = r.path(a[0])
		size, _ := strconv.Atoi(a[1])
		r.change(changed, func(b []byte) []byte { return append(b, make([]byte, max(0, size-len(b)))...)[:size] })
	}
	if r.concerns(changed) {
		r.each(r)
	}
}

func (r *recorder) named(op nameOp) {
	if r.concerns(op.name) {
		r.name(op)
	}
}

func (r *recorder) opened(path, flags string) (changed string) {
	if id, found := strings.CutPrefix(path, r.root+"/ran-"); found && strings.Contains(flags, "O_WRONLY") {
		r.begun[id] = true
	}
	if !r.concerns(path) {
		return ""
	}
	if r.names[path] == nil && strings.Contains(flags, "O_CREAT") {
		r.name(nameOp{name: path, to: &inode{now: []byte{}}})
		return path
	}
	if n := r.names[path]; n != nil && len(n.now) > 0 && strings.Contains(flags, "O_TRUNC") {
		r.change(path, func([]byte) []byte { return []byte{} })
		return path
	}
	return ""
}

func (r *recorder) written(name, path string, data []byte, offset string) (changed string) {
	if !r.concerns(path) {
		return ""
	}
	data = r.ofAnotherBoot(path, data)
	r.change(path, func(b []byte) []byte {
		at := len(b)
		if name == "pwrite64" {
			at, _ = strconv.Atoi(offset)
		}
		b = append(b, make([]byte, max(0, at+len(data)-len(b)))...)
		copy(b[at:], data)
		return b
	})
	return path
}

// ofAnotherBoot changes what the run of the machine is called, as a power cut ends it.
func (r *recorder) ofAnotherBoot(path string, data []byte) []byte {
	if r.boot == "" {
		return data
	}
	changed := bytes.ReplaceAll(data, []byte(r.boot), []byte(strings.Repeat("0", len(r.boot))))
	if bytes.Equal(data, changed) || !strings.HasSuffix(path, "+ticket") {
		return changed
	}
	const head = len("tentacle ticket 1\n")
	length := int(binary.BigEndian.Uint32(changed[head+1:]))
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Update(crc32.Checksum(changed[head:head+5], table), table, changed[head+9:head+9+length])
	binary.BigEndian.PutUint32(changed[head+5:], sum)
	return changed
}

func (r *recorder) says(text string) {
	r.buffer += text
	for {
		line, rest, found := strings.Cut(r.buffer, "\n")
		if !found {
			return
		}
		r.said, r.buffer = append(r.said, line), rest
		r.each(r)
	}
}

// hasSaid says whether the daemon said something before this point.
func (r *recorder) hasSaid(format string, a ...any) bool {
	for _, s := range r.said {
		if strings.HasPrefix(s, fmt.Sprintf(format, a...)) {
			return true
		}
	}
	return false
}
