package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	"github.com/goreleaser/nfpm/v2/rpm"
)

// Mode bits of what is packed.
const (
	program = 0o755
	text    = 0o644
)

// recipe is what one architecture's packages are made of.
type recipe struct {
	root, binary, arch, described, out string
	time                               time.Time
}

// build makes one package of each kind and returns their paths.
func (p recipe) build() (made []string, err error) {
	if err := os.MkdirAll(p.out, 0o755); err != nil { // #nosec G301 -- packages are for all
		return nil, err
	}
	for _, k := range []struct {
		kind string
		nfpm.Packager
	}{{"deb", deb.Default}, {"rpm", rpm.DefaultRPM}} {
		path, err := p.pack(k.kind, k.Packager)
		if err != nil {
			return made, fmt.Errorf("building the %s for %s: %w", k.kind, p.arch, err)
		}
		made = append(made, path)
	}
	return made, nil
}

func (p recipe) pack(kind string, packager nfpm.Packager) (path string, err error) {
	info := p.info()
	if err := nfpm.PrepareForPackager(info, kind); err != nil {
		return "", err
	}
	path = filepath.Join(p.out, packager.ConventionalFileName(info))
	file, err := os.Create(path)
	if err != nil {
		return "", err
	}
	if err := errors.Join(packager.Package(info, file), file.Close()); err != nil {
		return "", errors.Join(err, os.Remove(path))
	}
	return path, nil
}

// info is made anew for each package, as a packager changes what it is given.
func (p recipe) info() *nfpm.Info {
	v := parseVersion(p.described, p.time)
	here := filepath.Join(p.root, "hack", "packages")
	script := func(name string) string { return filepath.Join(here, "scripts", name) }
	info := &nfpm.Info{
		Name: "tentacle", Arch: p.arch, Platform: "linux",
		Version: v.number, Prerelease: v.prerelease, VersionMetadata: v.metadata, VersionSchema: "none", Release: "1",
		Section: "admin", Priority: "optional", License: "Apache-2.0", MTime: p.time, DisableGlobbing: true,
		Maintainer: "The Mantle authors", Vendor: "Mantle", Homepage: "https://github.com/mantledeploy/mantle",
		Description: "Lets trusted operators deploy to this machine\n" +
			"The Tentacle waits on one TCP port for operators whom the owner of this machine\n" +
			"has trusted, runs the scripts that they send and takes the files that they\n" +
			"transfer. It never connects to anything itself.",
	}
	info.Recommends = []string{"bash"}
	info.Contents = files.Contents{
		p.file(p.binary, "/usr/bin/tentacle", program),
		p.file(filepath.Join(here, "tentacle.service"), "/usr/lib/systemd/system/tentacle.service", text),
		p.file(filepath.Join(p.root, "agent", "README.md"), "/usr/share/doc/tentacle/README.md", text),
		p.file(filepath.Join(p.root, "LICENSE"), "/usr/share/doc/tentacle/copyright", text),
	}
	info.Scripts = nfpm.Scripts{
		PostInstall: script("postinstall.sh"), PreRemove: script("preremove.sh"), PostRemove: script("postremove.sh"),
	}
	info.RPM.Summary = "Lets trusted operators deploy to this machine"
	info.RPM.Packager, info.RPM.BuildHost, info.RPM.Group = info.Maintainer, "localhost", "System Environment/Daemons"
	return info
}

func (p recipe) file(from, to string, mode os.FileMode) *files.Content {
	return &files.Content{Source: from, Destination: to, FileInfo: &files.ContentFileInfo{Mode: mode, Owner: "root", Group: "root", MTime: p.time}}
}
