package files

import (
	"context"
	"io"
	"os"
	"runtime"
)

// keepMode gives a file the mode of the one that it is going to replace, if there is one.
func keepMode(to *os.File, p *place) error {
	if p.info == nil || !p.info.Mode().IsRegular() {
		return nil
	}
	if err := to.Chmod(p.info.Mode().Perm()); err != nil && runtime.GOOS != "windows" {
		return err
	}
	return nil
}

// reader ends when its context does.
type reader struct {
	ctx context.Context // a reader has no other way to be told
	io.Reader
}

func (r *reader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(b)
}
