package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"strings"
	"time"
)

//go:embed manifests
var manifests embed.FS

// play tells the story, act by act.
func play(ctx context.Context, s *stage, say *teller) error {
	for _, act := range []func(context.Context, *stage, *teller) error{setTheStage, connectMachines, deployFirst, rollSecond, stopThird, goBack} {
		if err := act(ctx, s, say); err != nil {
			return err
		}
	}
	return nil
}

// apply applies a manifest with words replaced, and shows that.
func apply(ctx context.Context, s *stage, name string, replace ...string) error {
	content, err := manifests.ReadFile("manifests/" + name)
	if err != nil {
		return fmt.Errorf("reading a manifest: %w", err)
	}
	seen, err := s.kubectl(ctx, strings.NewReplacer(replace...).Replace(string(content)), "apply", "-f", "-")
	if err == nil {
		s.say.command("kubectl apply -f "+name, seen)
	}
	return err
}

func setTheStage(ctx context.Context, s *stage, say *teller) error {
	say.title("A Kubernetes API, the operator, and a web service in three versions")
	packed := make(chan error, 1)
	go func() {
		packed <- errors.Join(s.pack(ctx, "1.0.0", ""), s.pack(ctx, "1.1.0", ""), s.pack(ctx, "1.2.0", "the price list is empty"))
	}()
	if err := s.controlPlane(ctx); err != nil {
		return err
	}
	if err := s.operator(ctx); err != nil {
		return err
	}
	if err := <-packed; err != nil {
		return err
	}
	say.good("the operator runs with exactly its ServiceAccount's rights")
	return nil
}

func connectMachines(ctx context.Context, s *stage, say *teller) error {
	say.title("Three machines, each with a Tentacle that trusts this namespace's operator")
	if err := apply(ctx, s, "namespace.yaml"); err != nil {
		return err
	}
	var operator string
	if err := until(ctx, "the operator publishes its thumbprint", func() (bool, string, error) {
		seen, err := s.kubectl(ctx, "", "get", "configmap", "mantle-identity", "-n", "shop", "-o", "jsonpath={.data.thumbprint-sha256}")
		operator = seen
		return err == nil && seen != "", "", nil
	}, say); err != nil {
		return err
	}
	var targets []string
	for n := range machineCount {
		target, err := s.tentacle(ctx, n+1, operator)
		if err != nil {
			return err
		}
		targets = append(targets, target)
	}
	say.command("tentacle init --trust "+operator[:22]+"… && tentacle run     # on each machine", "")
	seen, err := s.kubectl(ctx, strings.Join(targets, "---\n"), "apply", "-f", "-")
	if err != nil {
		return err
	}
	say.command("kubectl apply -f targets.yaml", seen)
	if err := until(ctx, "three healthy targets", func() (bool, string, error) {
		health, err := s.kubectl(ctx, "", "get", "dt", "-n", "shop", "-o", "jsonpath={.items[*].status.health}")
		return strings.Count(health, "Healthy") == machineCount, health, err
	}, say); err != nil {
		return err
	}
	return s.show(ctx, "get", "dt", "-n", "shop", "-o", "wide")
}

func deployFirst(ctx context.Context, s *stage, say *teller) error {
	say.title("Release 1.0.0 goes to all three")
	if err := apply(ctx, s, "project.yaml", "PACKAGES", s.path("packages"), "ADDRESS1", s.shops[0], "ADDRESS2", s.shops[1], "ADDRESS3", s.shops[2]); err != nil {
		return err
	}
	if err := wishFor(ctx, s, say, "1.0.0", "UpToDate"); err != nil {
		return err
	}
	for _, shop := range s.shops {
		answer, err := ask(ctx, shop)
		if err != nil {
			return err
		}
		say.command("curl http://"+shop+"/", answer)
	}
	return nil
}

// wishFor makes the release, sets the binding to it, and follows until the binding's reason is the one that is expected.
func wishFor(ctx context.Context, s *stage, say *teller, version, reason string) error {
	if err := apply(ctx, s, "release.yaml", "VERSION", version); err != nil {
		return err
	}
	return bind(ctx, s, say, version, reason)
}

func bind(ctx context.Context, s *stage, say *teller, version, reason string) error {
	if err := apply(ctx, s, "binding.yaml", "VERSION", version); err != nil {
		return err
	}
	const fields = `jsonpath={.metadata.generation}/{.status.observedGeneration}/{.status.release}/{.status.conditions[?(@.type=="Ready")].reason}/{.status.conditions[?(@.type=="Ready")].message}`
	what := "production runs " + version
	if reason != "UpToDate" {
		what = "the binding holds: " + reason
	}
	return until(ctx, what, func() (bool, string, error) {
		seen, err := s.kubectl(ctx, "", "get", "rb", "shop-production", "-n", "shop", "-o", fields)
		if err != nil {
			return false, "", err
		}
		parts := strings.SplitN(seen, "/", 5)
		if len(parts) < 5 {
			return false, seen, nil
		}
		return parts[0] == parts[1] && parts[2] == version && parts[3] == reason, parts[4], nil
	}, say)
}

// until asks until it is so, and shows how far it is.
func until(ctx context.Context, what string, so func() (bool, string, error), say *teller) error {
	for {
		ok, seen, err := so()
		if err != nil {
			return err
		}
		if ok {
			say.good("%s", what)
			return nil
		}
		if seen != "" {
			say.progress(seen)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w; last seen: %s", what, ctx.Err(), seen)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func rollSecond(ctx context.Context, s *stage, say *teller) error {
	say.title("1.1.0 rolls through, one machine at a time, while customers keep asking")
	customers := newTraffic(ctx, s.shops)
	err := wishFor(ctx, s, say, "1.1.0", "UpToDate")
	asked, least, within := customers.end()
	if err != nil {
		return err
	}
	if least < machineCount-1 {
		return fmt.Errorf("only %d machines answered at some time", least)
	}
	say.good("%d requests meanwhile; never fewer than %d of %d machines answered (1.0.0: %d, 1.1.0: %d answers)", asked, least, machineCount, within["1.0.0"], within["1.1.0"])
	return s.show(ctx, "get", "drun", "-n", "shop")
}

func stopThird(ctx context.Context, s *stage, say *teller) error {
	say.title("1.2.0 fails its smoke test on the first machine, and the roll stops there")
	if err := wishFor(ctx, s, say, "1.2.0", "RunFailed"); err != nil {
		return err
	}
	run, err := s.kubectl(ctx, "", "get", "rb", "shop-production", "-n", "shop", "-o", "jsonpath={.status.lastRun}")
	if err != nil {
		return err
	}
	if err := s.show(ctx, "get", "drun", run, "-n", "shop"); err != nil {
		return err
	}
	described, err := s.kubectl(ctx, "", "describe", "drun", run, "-n", "shop")
	if err != nil {
		return err
	}
	_, failures, _ := strings.Cut(described, "  Failures:\n")
	failures, _, _ = strings.Cut(failures, "  Finish Time:")
	say.command("kubectl describe drun "+run+" -n shop     # an excerpt", "  Failures:\n"+failures)
	log, err := s.log(ctx, run, "web-1", "web/smoke")
	if err != nil {
		return err
	}
	say.command("curl -H \"Authorization: Bearer $TOKEN\" https://OPERATOR/logs/shop/"+run+"/web-1/web/smoke", log)
	return nil
}

func goBack(ctx context.Context, s *stage, say *teller) error {
	say.title("Back to 1.1.0: only the machine that 1.2.0 had touched is deployed to")
	if err := bind(ctx, s, say, "1.1.0", "UpToDate"); err != nil {
		return err
	}
	if err := until(ctx, "the environment shows 1.1.0 on three of three", func() (bool, string, error) {
		seen, err := s.kubectl(ctx, "", "get", "tenv", "production", "-n", "shop", "-o", "jsonpath={.status.current[0].release} on {.status.current[0].targets}")
		return seen == "1.1.0 on 3/3", "the environment shows " + seen, err
	}, say); err != nil {
		return err
	}
	return s.show(ctx, "get", "mantle", "-n", "shop")
}
