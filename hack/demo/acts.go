package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"
)

// The bounds of a wait, and how often it is looked.
const (
	longestWait = 2 * time.Minute
	lookEvery   = 100 * time.Millisecond
)

// apply applies a manifest with words replaced, and shows that.
func (s *scene) apply(ctx context.Context, name string, replace ...string) error {
	content, err := manifests.ReadFile("manifests/" + name)
	if err != nil {
		return fmt.Errorf("reading a manifest: %w", err)
	}
	seen, err := s.Kubectl(ctx, strings.NewReplacer(replace...).Replace(string(content)), "apply", "-f", "-")
	if err == nil {
		s.say.command("kubectl apply -f "+name, seen)
	}
	return err
}

// release makes the release, sets the binding to it, and follows until the binding's reason is the one that is expected.
func (s *scene) release(ctx context.Context, version, reason string) error {
	if err := s.apply(ctx, "release.yaml", "VERSION", version); err != nil {
		return err
	}
	return s.bind(ctx, version, reason)
}

// bind sets the binding to a version, and follows until its reason is the one that is expected.
func (s *scene) bind(ctx context.Context, version, reason string) error {
	if err := s.apply(ctx, "binding.yaml", "VERSION", version); err != nil {
		return err
	}
	stop, err := s.follow(ctx)
	if err != nil {
		return err
	}
	defer stop()
	const fields = `jsonpath={.metadata.generation}|{.status.observedGeneration}|{.status.release}|{.status.conditions[?(@.type=="Ready")].reason}|{.status.conditions[?(@.type=="Ready")].message}`
	what := "production runs " + version
	if reason != "UpToDate" {
		what = "the binding holds: " + reason
	}
	return s.until(ctx, what, func() (bool, string, error) {
		seen, err := s.Kubectl(ctx, "", "get", "rb", "shop-production", "-n", "shop", "-o", fields)
		if err != nil {
			return false, "", err
		}
		parts := strings.SplitN(seen, "|", 5)
		if len(parts) < 5 || parts[0] != parts[1] || parts[2] != version {
			return false, "", nil // it speaks of an earlier wish
		}
		if parts[3] != reason && (parts[3] == "UpToDate" || parts[3] == "RunFailed") {
			return false, "", fmt.Errorf("the binding says %s: %s", parts[3], parts[4])
		}
		return parts[3] == reason, parts[4], nil
	})
}

// until asks until it is so, and shows how far it is.
func (s *scene) until(ctx context.Context, what string, so func() (bool, string, error)) error {
	deadline := time.Now().Add(longestWait)
	for {
		ok, seen, err := so()
		if err != nil {
			return err
		}
		if ok {
			s.say.good("%s", what)
			return nil
		}
		if err := s.Alive(); err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waiting for %q: not within %s; last seen: %s", what, longestWait, cmp.Or(seen, "nothing"))
		}
		s.say.progress(seen)
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %q: %w; last seen: %s", what, ctx.Err(), cmp.Or(seen, "nothing"))
		case <-time.After(lookEvery):
		}
	}
}

// curl shows what every machine's service answers.
func (s *scene) curl(ctx context.Context) error {
	for _, shop := range s.shops {
		answer, err := ask(ctx, shop)
		if err != nil {
			return err
		}
		s.say.command("curl http://"+shop+"/", answer)
	}
	return nil
}
