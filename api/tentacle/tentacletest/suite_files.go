package tentacletest

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

func fileCases() []testCase {
	return []testCase{
		{name: "file goes up and comes down", run: fileThereAndBack},
		{name: "upload replaces what was there", run: uploadReplaces},
		{name: "upload of nothing", run: uploadNothing},
		{name: "download of what is no file is null", run: downloadAbsent},
		{name: "path outside the home is refused", run: pathsOutside},
		{name: "path that is the Tentacle's own is refused", run: pathsOwn},
		{name: "absolute path inside the home", run: absolutePath, home: true},
		{name: "link to what is refused is refused", run: linkedPaths, home: true},
	}
}

// place is a folder of the case's own below Files.
func (h *harness) place() string { return "Files/" + h.mutex }

func (h *harness) upload(path string, content []byte) tentacle.UploadResult {
	h.Helper()
	r, err := h.a.UploadFile(h.ctx, path, halibut.NewDataStreamBytes(content))
	if err != nil {
		h.Fatalf("uploading %s: %v", path, err)
	}
	sum := sha1.Sum(content)
	if want := hex.EncodeToString(sum[:]); r.Hash == nil || *r.Hash != want || r.Length != int64(len(content)) {
		h.Fatalf("uploading %s: %+v, wanted the hash %s and %d bytes", path, r, want, len(content))
	}
	return r
}

func (h *harness) download(path string) []byte {
	h.Helper()
	stream, err := h.a.DownloadFile(h.ctx, path)
	if err != nil || stream == nil {
		h.Fatalf("downloading %s: %v, %v", path, stream, err)
	}
	defer stream.Discard()
	r, err := stream.Open()
	if err != nil {
		h.Fatalf("opening %s: %v", path, err)
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	if err != nil {
		h.Fatalf("reading %s: %v", path, err)
	}
	return content
}

func fileThereAndBack(h *harness) {
	for _, size := range []int{0, 1, 16_384, 1_000_003} {
		content := make([]byte, size)
		for i := range content {
			content[i] = byte(31*i + i/256)
		}
		path := h.place() + "/a/b/" + itoa(size)
		r := h.upload(path, content)
		if !strings.HasSuffix(filepath.ToSlash(r.FullPath), "/"+path) {
			h.Errorf("the full path of %s is %s", path, r.FullPath)
		}
		if !bytes.Equal(content, h.download(strings.ReplaceAll(path, "/", `\`))) {
			h.Errorf("%d bytes came back changed", size)
		}
		if !bytes.Equal(content, h.download(r.FullPath)) {
			h.Errorf("%d bytes came back changed by their full path", size)
		}
	}
}

func uploadReplaces(h *harness) {
	path := h.place() + "/f"
	h.upload(path, []byte("a long content"))
	h.upload(path, []byte("short"))
	h.equal("short", string(h.download(path)))
}

func uploadNothing(h *harness) {
	path := h.place() + "/none"
	r, err := h.a.UploadFile(h.ctx, path, nil)
	if err != nil || r.Hash != nil || r.Length != 0 || !strings.HasSuffix(filepath.ToSlash(r.FullPath), "/"+path) {
		h.Fatalf("%+v, %v", r, err)
	}
	if stream, err := h.a.DownloadFile(h.ctx, path); stream != nil || err != nil {
		h.Fatalf("it was written: %v, %v", stream, err)
	}
}

func downloadAbsent(h *harness) {
	h.upload(h.place()+"/folder/f", []byte("x"))
	for _, path := range []string{h.place() + "/absent", h.place() + "/absent/absent", h.place() + "/folder"} {
		if stream, err := h.a.DownloadFile(h.ctx, path); stream != nil || err != nil {
			h.Errorf("%s: %v, %v", path, stream, err)
		}
	}
}

// refusedPaths checks that paths are refused for good, both ways.
func (h *harness) refusedPaths(paths ...string) {
	h.Helper()
	for _, path := range paths {
		_, err := h.a.UploadFile(h.ctx, path, halibut.NewDataStreamBytes([]byte("x")))
		h.final("upload to "+path, err)
		stream, err := h.a.DownloadFile(h.ctx, path)
		stream.Discard()
		h.final("download of "+path, err)
	}
}

// final checks an error that the reference client does not try again.
func (h *harness) final(what string, err error) {
	h.Helper()
	answer, ok := errors.AsType[*halibut.ServerError](err)
	if !ok {
		h.Errorf("%s: wanted an error of the service, got %v", what, err)
		return
	}
	const sentence = "System.Reflection.TargetInvocationException: Exception has been thrown by the target of an invocation."
	if answer.Retryable() || answer.Kind != halibut.ServiceInvocation || !strings.HasPrefix(answer.Details, sentence) {
		h.Errorf("%s: wanted a final error, got %+v", what, answer)
	}
}

func pathsOutside(h *harness) {
	h.refusedPaths("../x", "..", "Files/../../x", `..\x`, `Files\..\..\x`, "/etc/mantle-suite", "//etc/mantle-suite", "/")
	_, err := h.a.UploadFile(h.ctx, "", halibut.NewDataStreamBytes([]byte("x")))
	h.final("upload to the home itself", err)
	if h.subject.Home != "" {
		h.refusedPaths(h.subject.Home+"/../x", h.subject.Home+"x/y", filepath.Dir(h.subject.Home)+"/x")
	}
}

func pathsOwn(h *harness) {
	paths := []string{
		".tentacle/x", ".tentacle", "./.tentacle/x", "Files/../.tentacle/x", `.tentacle\x`, ".//.tentacle//x", ".TENTACLE/x",
		".tentacle/policy.yaml", "Work/x", "Work", "./Work/t/Bootstrap.sh", `Files\..\Work\x`, "WORK/x", "work/x",
	}
	if h.subject.Home != "" {
		paths = append(paths, h.subject.Home+"/.tentacle/x", h.subject.Home+"/Files/../Work/x")
	}
	h.refusedPaths(paths...)
}

func absolutePath(h *harness) {
	path := filepath.Join(h.subject.Home, filepath.FromSlash(h.place()), "absolute")
	h.upload(path, []byte("x"))
	content, err := os.ReadFile(path)
	if err != nil {
		h.Fatal(err)
	}
	h.equal("x", string(content))
}

func linkedPaths(h *harness) {
	h.upload(h.place()+"/f", []byte("x"))
	folder := filepath.Join(h.subject.Home, filepath.FromSlash(h.place()))
	outside := h.TempDir()
	for name, target := range map[string]string{
		"own": "../../.tentacle", "scripts": "../../Work", "home": "../..", "outside": outside, "up": "../../..",
	} {
		if err := os.Symlink(target, filepath.Join(folder, name)); err != nil {
			h.Skipf("no links here: %v", err)
		}
	}
	if err := os.WriteFile(filepath.Join(outside, "x"), nil, 0o600); err != nil {
		h.Fatal(err)
	}
	p := h.place()
	h.refusedPaths(p+"/own/x", p+"/scripts/x", p+"/home/.tentacle/x", p+"/home/Work/x", p+"/outside/x", p+"/up/x")
}
