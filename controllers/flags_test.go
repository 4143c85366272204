package controllers

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

func TestRangesAreReadAndRefused(t *testing.T) {
	parse := func(args ...string) (Flags, error) {
		set := flag.NewFlagSet("mantle", flag.ContinueOnError)
		set.SetOutput(io.Discard)
		return ParseFlags(set, append(args, "--namespace", "mantle-system"))
	}
	f, err := parse("--target-allow-cidr", "127.0.0.0/8,10.0.0.0/8", "--target-allow-cidr=fd00::/8", "--package-allow-cidr", "10.96.0.0/12")
	if got := fmt.Sprint(f.TargetAllowCIDRs, f.PackageAllowCIDRs); err != nil || got != "[127.0.0.0/8 10.0.0.0/8 fd00::/8] [10.96.0.0/12]" {
		t.Errorf("%s, %v", got, err)
	}
	for _, args := range [][]string{{"--target-allow-cidr", "127.0.0.1"}, {"--package-allow-cidr", "10.0.0.0/8,everything"}, {"--leader-elect", "--lease-duration", "1s"}} {
		if _, err := parse(args...); err == nil || !strings.Contains(err.Error(), strings.TrimPrefix(args[len(args)-2], "--")) {
			t.Errorf("%v: %v", args, err)
		}
	}
}

// The metrics server would sign a certificate itself, and nobody would notice.
func TestACertificateThatIsNotThereIsRefused(t *testing.T) {
	parse := func(dir string) error {
		set := flag.NewFlagSet("mantle", flag.ContinueOnError)
		set.SetOutput(io.Discard)
		_, err := ParseFlags(set, []string{"--namespace", "mantle-system", "--metrics-cert-path", dir})
		return err
	}
	dir := t.TempDir()
	if err := parse(dir); err == nil || !strings.Contains(err.Error(), "--metrics-cert-path") {
		t.Errorf("an empty folder: %v", err)
	}
	for _, name := range []string{"tls.crt", "tls.key"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := parse(dir); err != nil {
		t.Errorf("a folder with both files: %v", err)
	}
}

// Every StatefulSet and DaemonSet of the cluster has ControllerRevisions.
func TestOnlySnapshotsAreWatched(t *testing.T) {
	set := flag.NewFlagSet("operator", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	f, err := ParseFlags(set, []string{"--namespace", "mantle-system"})
	if err != nil {
		t.Fatal(err)
	}
	for object, by := range f.Manager(runtime.NewScheme()).Cache.ByObject {
		if _, found := object.(*appsv1.ControllerRevision); !found {
			continue
		}
		if by.Label.Matches(labels.Set{"app": "postgres"}) || !by.Label.Matches(labels.Set{v1alpha1.LabelReleaseUID: "uid"}) {
			t.Errorf("watched are %s", by.Label)
		}
		return
	}
	t.Error("all ControllerRevisions are watched")
}
