package home

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestHandOverFollowsNoLinkAndLeavesFilesWithOtherNames(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files to another account")
	}
	const nobody = 65534
	h := newHome(t)
	outside := filepath.Join(t.TempDir(), "outside")
	file := filepath.Join(outside, "file")
	in := func(name string) string { return filepath.Join(h.Applications(), name) }
	err := errors.Join(os.Mkdir(outside, 0o755), os.WriteFile(file, nil, 0o600), os.Symlink(outside, in("folder")),
		os.Symlink(file, in("link")), os.Link(file, in("hard")), os.WriteFile(in("plain"), nil, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	left, err := h.HandOver(nobody, nobody)
	if err != nil || left != 1 {
		t.Errorf("%d files were left, %v", left, err)
	}
	for path, want := range map[string]uint32{
		outside: 0, file: 0, h.State(): 0, h.Dir(): 0,
		h.Applications(): nobody, in("plain"): nobody, in("link"): nobody, in("folder"): nobody, filepath.Join(h.Dir(), ToolsFolder): nobody,
	} {
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if owner, _, _ := ownerOf(info); owner != want {
			t.Errorf("%s belongs to %d, want %d", path, owner, want)
		}
	}
}

// What is to be handed over, or closed, may be replaced by a link in a home that another user can change.
func TestWhatIsNoFolderIsNeitherHandedOverNorClosed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files to another account")
	}
	const nobody = 65534
	h := newHome(t)
	outside := filepath.Join(t.TempDir(), "outside")
	file := filepath.Join(outside, "file")
	err := errors.Join(os.Mkdir(outside, 0o755), os.WriteFile(file, nil, 0o600), os.Remove(h.Applications()), os.Symlink(outside, h.Applications()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.HandOver(nobody, nobody); err == nil {
		t.Error("what a link leads to was handed over")
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := h.HandOverEmpty(nobody, nobody); err == nil {
		t.Error("an empty folder that a link leads to was handed over")
	}
	if err := errors.Join(os.RemoveAll(h.State()), os.Symlink(outside, h.State())); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(h.Given()); !errors.Is(err, ErrUnsafe) {
		t.Errorf("a state folder that is a link: %v", err)
	}
	info, err := os.Lstat(outside)
	if err != nil {
		t.Fatal(err)
	}
	if owner, _, _ := ownerOf(info); owner != 0 || info.Mode().Perm() != 0o755 {
		t.Errorf("what the links lead to belongs to %d and has mode %v", owner, info.Mode())
	}
}
