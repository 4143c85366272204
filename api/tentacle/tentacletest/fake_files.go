package tentacletest

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"path"
	"strings"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// fakeHome is the home of every Fake, as paths in its answers show it.
const fakeHome = "/home/fake"

// local makes of a path on the wire one relative to the home, or refuses it.
func local(remotePath string) (string, error) {
	p := path.Clean(strings.ReplaceAll(remotePath, `\`, "/"))
	if path.IsAbs(p) {
		p = path.Clean("./" + strings.TrimPrefix(p, fakeHome+"/"))
		if !strings.HasPrefix(path.Clean(strings.ReplaceAll(remotePath, `\`, "/")), fakeHome+"/") {
			return "", refusedPath(remotePath)
		}
	}
	first, _, _ := strings.Cut(p, "/")
	switch strings.ToLower(strings.TrimRight(first, ". ")) {
	case "":
		return "", refusedPath(remotePath)
	case ".tentacle", "work":
		return "", refusedPath(remotePath)
	}
	return p, nil
}

func refusedPath(remotePath string) error {
	return halibut.FinalError{Err: fmt.Errorf("the path %q is refused: it is not below the folders that may be transferred", remotePath)}
}

func (m *machine) UploadFile(_ context.Context, remotePath string, content *halibut.DataStream) (tentacle.UploadResult, error) {
	p, err := local(remotePath)
	if m.octopus() {
		p, err = remotePath, nil
	}
	if err != nil {
		return tentacle.UploadResult{}, err
	}
	r := tentacle.UploadResult{FullPath: fakeHome + "/" + p}
	if m.octopus() {
		r.FullPath = m.local(remotePath)
	}
	if content == nil {
		return r, nil
	}
	data, err := hold(content)
	if err != nil {
		return r, fmt.Errorf("reading the upload: %w", err)
	}
	if m.octopus() {
		if err := write(r.FullPath, data); err != nil {
			return r, halibut.FinalError{Err: err}
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.folder(p) {
		return tentacle.UploadResult{}, halibut.FinalError{Err: fmt.Errorf("the path %q is a folder", remotePath)}
	}
	m.files[p] = data
	sum := sha1.Sum(data)
	hash := hex.EncodeToString(sum[:])
	r.Hash, r.Length = &hash, int64(len(data))
	return r, nil
}

func (m *machine) folder(p string) bool {
	for name := range m.files {
		if strings.HasPrefix(name, p+"/") {
			return true
		}
	}
	return false
}

func (m *machine) DownloadFile(_ context.Context, remotePath string) (*halibut.DataStream, error) {
	if m.octopus() {
		return m.download(remotePath)
	}
	p, err := local(remotePath)
	if err != nil {
		return nil, err
	}
	content, found := m.file(p)
	if !found {
		return nil, nil
	}
	return halibut.NewDataStreamBytes(content), nil
}

func (m *machine) file(p string) ([]byte, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	content, found := m.files[p]
	return content, found
}

func (m *machine) putFile(p string, content []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[path.Clean(p)] = content
}
