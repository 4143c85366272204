package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// build packs a program that is a line of text, and returns the paths of the deb and the rpm.
func build(t *testing.T, out string) (deb, rpm string) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "built")
	if err := os.WriteFile(binary, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	args := []string{"-binary", binary, "-arch", "arm64", "-version", "v1.4.0-rc.1", "-time", "1700000000", "-out", out}
	if code := run(args, &stdout, &stderr); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	made := strings.Fields(stdout.String())
	if len(made) != 2 {
		t.Fatalf("made %v", made)
	}
	return made[0], made[1]
}

func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not here", name)
	}
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func contains(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
}

var packed = []string{"/usr/bin/tentacle", "/usr/lib/systemd/system/tentacle.service", "/usr/share/doc/tentacle/README.md", "/usr/share/doc/tentacle/copyright"}

func TestTheDebHoldsTheProgramTheUnitAndTheManual(t *testing.T) {
	deb, _ := build(t, t.TempDir())
	contains(t, tool(t, "dpkg-deb", "--info", deb), "Package: tentacle\n", "Version: 1.4.0~rc.1-1\n", "Architecture: arm64\n", "postinst", "prerm", "postrm")
	listing := tool(t, "dpkg-deb", "--contents", deb)
	contains(t, listing, packed...)
	contains(t, listing, "-rwxr-xr-x root/root", "-rw-r--r-- root/root")
}

func TestTheRPMHoldsTheProgramTheUnitAndTheManual(t *testing.T) {
	_, rpm := build(t, t.TempDir())
	contains(t, tool(t, "rpm", "-qip", rpm), "Name        : tentacle\n", "Version     : 1.4.0~rc.1\n", "Architecture: aarch64\n")
	contains(t, tool(t, "rpm", "-qlvp", rpm), packed...)
	contains(t, tool(t, "rpm", "-qp", "--scripts", rpm), "postinstall scriptlet", "preuninstall scriptlet", "postuninstall scriptlet")
}

func TestTheSameSourcesMakeTheSameBytes(t *testing.T) {
	sum := func() (sums [2][32]byte) {
		deb, rpm := build(t, t.TempDir())
		for i, path := range []string{deb, rpm} {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			sums[i] = sha256.Sum256(content)
		}
		return sums
	}
	if a, b := sum(), sum(); a != b {
		t.Errorf("%x\n%x", a, b)
	}
}

// Package managers upgrade to what they take for newer.
func TestVersionsAreOrderedAsTheyWereMade(t *testing.T) {
	at := time.Unix(1700000000, 0).UTC()
	ordered := []string{
		parseVersion("bc1234f", at).String(), parseVersion("0a1234f-dirty", at.Add(time.Hour)).String(),
		parseVersion("v1.2.3-rc.1", at).String(), parseVersion("v1.2.3-rc.1-4-gabcdef0", at).String(), parseVersion("1.2.3", at).String(),
		parseVersion("v1.2.3-9-gabcdef0", at).String(), parseVersion("v1.2.3-10-g0bcdef0-dirty", at).String(), parseVersion("v1.2.10", at).String(),
	}
	want := []string{
		"0.0.0~20231114221320.bc1234f", "0.0.0~20231114231320.0a1234f.dirty", "1.2.3~rc.1", "1.2.3~rc.1+4.gabcdef0", "1.2.3",
		"1.2.3+9.gabcdef0", "1.2.3+10.g0bcdef0.dirty", "1.2.10",
	}
	if !slices.Equal(ordered, want) {
		t.Fatalf("got %q", ordered)
	}
	for i := range ordered[1:] {
		tool(t, "dpkg", "--compare-versions", ordered[i], "lt", ordered[i+1])
	}
}

func (v version) String() string {
	text := v.number
	for _, part := range [][2]string{{"~", v.prerelease}, {"+", v.metadata}} {
		if part[1] != "" {
			text += fmt.Sprint(part[0], part[1])
		}
	}
	return text
}

func TestWhatIsMissingIsSaid(t *testing.T) {
	var out, stderr bytes.Buffer
	if code := run([]string{"-arch", "amd64"}, &out, &stderr); code != 2 || !strings.Contains(stderr.String(), "-binary") {
		t.Errorf("%d %s", code, stderr.String())
	}
	if code := run([]string{"-binary", "nowhere", "-version", "1.0.0", "-time", "1", "-out", t.TempDir()}, &out, &stderr); code != 1 || !strings.Contains(stderr.String(), "nowhere") {
		t.Errorf("%d %s", code, stderr.String())
	}
}
