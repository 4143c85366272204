package deploy

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"os"
	"path"

	"github.com/mantledeploy/mantle/agent/internal/journal"
	"github.com/mantledeploy/mantle/api/step"
)

// Digests are what tells this deployment from another. The sensitive values count by an HMAC under the
// machine's key, each with the name of its variable. The plan's secrets must be among those given.
func Digests(p step.Plan, secrets []string, key []byte) journal.Digests {
	mac := hmac.New(sha256.New, key)
	for _, name := range step.DigestedVariables(p) {
		if n := p.Variables[name].Secret; n != nil {
			writePart(mac, name)
			writePart(mac, secrets[*n])
		}
	}
	return journal.Digests{Content: p.Deploy.Content.SHA256, Step: p.StepDigest, Secrets: hex.EncodeToString(mac.Sum(nil))}
}

// writePart writes a string and, before it, its length, so that no two lists of parts are alike.
func writePart(h hash.Hash, s string) {
	// A hash never fails to write.
	_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(s))))
	_, _ = h.Write([]byte(s))
}

// Installed tells whether a deployment would change nothing: the newest row of this package ended well,
// was of the same digests, and `current` points to its folder, which is there and marked. A plan without
// a digest of its step is never installed.
func Installed(home string, j *journal.Journal, p step.Plan, d journal.Digests) (relative string, ok bool, err error) {
	row, found, err := j.Newest(func(r journal.Row) bool {
		return r.Kind == string(step.KindDeploy) && r.Namespace == p.Namespace && r.Environment == p.Environment &&
			r.Project == p.Project && r.Package == p.Deploy.Package
	})
	if err != nil {
		return "", false, err
	}
	if !found || row.Phase != journal.Succeeded || row.Digests == nil || *row.Digests != d || d.Step == "" {
		return "", false, nil
	}
	err = j.As(func() error {
		ok, err = intact(home, folder(p), row.Directory, d.Content)
		return err
	})
	return row.Directory, ok, err
}

// intact tells whether the link in a package's folder points to the directory, and whether that has the
// marker of the content. What cannot be read is not what was made.
func intact(home, folder, directory, content string) (bool, error) {
	root, err := os.OpenRoot(home)
	if err != nil {
		return false, fmt.Errorf("opening the home: %w", err)
	}
	defer root.Close()
	name := path.Base(directory)
	if directory != path.Join(folder, name) {
		return false, nil
	}
	at := path.Join(journal.Folder, folder)
	if target, err := readLink(root, path.Join(at, Current)); err != nil || target != name {
		return false, nil
	}
	var m marker
	data, err := readSmall(root, path.Join(at, name, Marker))
	return err == nil && json.Unmarshal(data, &m) == nil && m.Content == content, nil
}
