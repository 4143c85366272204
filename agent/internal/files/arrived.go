package files

import (
	"context"
	"crypto/sha1" // the digest that the service answers (halibut.md section 6.6)
	"fmt"
	"hash"
	"io"
	"os"
)

// arrived is content that a machine has received. Large content lies in a file of the spool, and was digested on its way there.
type arrived struct {
	io.Reader
	size    int64
	spooled string
	digest  []byte
}

// NewDigest makes the digest that UploadFile answers, for halibut.ServerConfig.
func NewDigest() hash.Hash { return sha1.New() } // #nosec G401 -- the service's own (halibut.md section 6.6)

// fill copies content to an empty file, whose name is temp, or moves it there, and returns its digest.
func fill(ctx context.Context, p *place, temp string, to *os.File, from arrived) ([]byte, error) {
	digest := NewDigest()
	out := io.MultiWriter(to, digest)
	if from.spooled != "" && takePlace(from.spooled, p.folder, temp, to) {
		if from.digest != nil {
			return from.digest, nil
		}
		out = digest
	}
	n, err := io.Copy(out, &reader{ctx, io.LimitReader(from, from.size)})
	if err == nil && n != from.size {
		err = fmt.Errorf("the content ended after %d of %d bytes", n, from.size)
	}
	return digest.Sum(nil), err
}
