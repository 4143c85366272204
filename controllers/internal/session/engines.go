package session

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// engines are the programs in a folder, tentacle-<os>-<arch>[.exe], that are uploaded to machines whose Tentacle has no
// suitable engine. Each is read once, and again when the file has changed.
type engines struct {
	dir string

	mu    sync.Mutex
	known map[string]program
}

// program is one engine file.
type program struct {
	path         string
	sha256, sha1 string
	size         int64
	modified     time.Time
}

func newEngines(dir string) *engines { return &engines{dir: dir, known: map[string]program{}} }

// systems returns the systems and architectures that have an engine.
func systems() [][2]string {
	return [][2]string{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "arm64"}, {"darwin", "amd64"}, {"windows", "amd64"}, {"windows", "arm64"}}
}

// find returns the engine for a system. If there is none, the error is an *UnfitError with the remedy.
func (e *engines) find(system, arch string) (program, error) {
	name, extension := "tentacle-"+system+"-"+arch, ""
	if system == "windows" {
		extension = ".exe"
	}
	path := filepath.Join(e.dir, name+extension)
	info, err := os.Stat(path)
	switch {
	case e.dir == "":
		return program{}, &UnfitError{v1alpha1.ReasonEngineUnavailable, "the Tentacle has no Mantle engine, and this operator has none to upload; start the operator with --engine-dir, or install Mantle's Tentacle on the machine"}
	case errors.Is(err, os.ErrNotExist):
		return program{}, &UnfitError{v1alpha1.ReasonEngineUnavailable, fmt.Sprintf("the operator has no engine for %s/%s: put %s (`make cross` builds it) into the directory of --engine-dir", system, arch, name+extension)}
	case err != nil:
		return program{}, fmt.Errorf("looking for the engine %s: %w", name, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if p, found := e.known[path]; found && p.size == info.Size() && p.modified.Equal(info.ModTime()) {
		return p, nil
	}
	p := program{path: path, size: info.Size(), modified: info.ModTime()}
	if err := p.digest(); err != nil {
		return program{}, fmt.Errorf("reading the engine %s: %w", name, err)
	}
	e.known[path] = p
	return p, nil
}

// all returns the engines that the folder contains.
func (e *engines) all() []program {
	var all []program
	for _, s := range systems() {
		if p, err := e.find(s[0], s[1]); err == nil {
			all = append(all, p)
		}
	}
	return all
}

func (p *program) digest() error {
	f, err := os.Open(p.path)
	if err != nil {
		return err
	}
	long, short := sha256.New(), sha1.New()
	n, err := io.Copy(io.MultiWriter(long, short), f)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	p.size, p.sha256, p.sha1 = n, hex.EncodeToString(long.Sum(nil)), hex.EncodeToString(short.Sum(nil))
	return nil
}

// stream returns the program's content for an upload.
func (p program) stream() *halibut.DataStream {
	return halibut.NewDataStream(p.size, func() (io.ReadCloser, error) { return os.Open(p.path) })
}
