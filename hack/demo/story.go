package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"strings"
)

//go:embed manifests
var manifests embed.FS

// play tells the story, act by act.
func play(ctx context.Context, s *scene) error {
	for _, act := range []func(context.Context, *scene) error{setTheStage, connectMachines, deployFirst, rollSecond, stopThird, goBack} {
		if err := act(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func setTheStage(ctx context.Context, s *scene) error {
	s.say.title("A Kubernetes API, the operator, and a web service in three versions")
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var packing error
	packed := make(chan struct{})
	go func() {
		defer close(packed)
		packing = errors.Join(s.pack(ctx, "1.0.0", ""), s.pack(ctx, "1.1.0", ""), s.pack(ctx, "1.2.0", "the price list is empty"))
	}()
	_, err := s.ControlPlane(ctx)
	if err == nil {
		err = s.operator(ctx)
	}
	if err != nil {
		cancel()
		<-packed
		return err
	}
	s.say.good("the operator runs with exactly its ServiceAccount's rights")
	<-packed
	return packing
}

func connectMachines(ctx context.Context, s *scene) error {
	s.say.title("Three machines, each with a Tentacle that trusts this namespace's operator")
	if err := s.apply(ctx, "namespace.yaml"); err != nil {
		return err
	}
	var operator string
	if err := s.until(ctx, "the operator publishes its thumbprint", func() (bool, string, error) {
		seen, err := s.Kubectl(ctx, "", "get", "configmap", "mantle-identity", "-n", "shop", "--ignore-not-found", "-o", "jsonpath={.data.thumbprint-sha256}")
		operator = seen
		return seen != "", "", err
	}); err != nil {
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
	s.say.command("tentacle init --trust "+operator[:min(len(operator), 22)]+"… && tentacle run     # on each machine", "")
	seen, err := s.Kubectl(ctx, strings.Join(targets, "---\n"), "apply", "-f", "-")
	if err != nil {
		return err
	}
	s.say.command("kubectl apply -f targets.yaml", seen)
	if err := s.until(ctx, "three healthy targets", func() (bool, string, error) {
		health, err := s.Kubectl(ctx, "", "get", "dt", "-n", "shop", "-o", "jsonpath={.items[*].status.health}")
		return strings.Join(strings.Fields(health), " ") == "Healthy Healthy Healthy", health, err
	}); err != nil {
		return err
	}
	return errors.Join(s.show(ctx, "get", "dt", "-n", "shop", "-o", "wide"), s.reader(ctx))
}

func deployFirst(ctx context.Context, s *scene) error {
	s.say.title("Release 1.0.0 goes to all three")
	if err := s.apply(ctx, "project.yaml", "PACKAGES", s.Path("packages"), "ADDRESS1", s.shops[0], "ADDRESS2", s.shops[1], "ADDRESS3", s.shops[2]); err != nil {
		return err
	}
	if err := s.release(ctx, "1.0.0", "UpToDate"); err != nil {
		return err
	}
	if err := s.curl(ctx); err != nil {
		return err
	}
	s.say.line("The service was given a Secret. The step that started it printed that, but nobody gets to see it:")
	return s.showLog(ctx, "web-1", "web/restart")
}

func rollSecond(ctx context.Context, s *scene) error {
	s.say.title("1.1.0 rolls through, one machine at a time, while customers keep asking")
	customers := newTraffic(ctx, s.shops)
	err := s.release(ctx, "1.1.0", "UpToDate")
	seen := customers.end()
	if err != nil {
		return err
	}
	if seen.least < machineCount-1 {
		return fmt.Errorf("only %d machines answered at some time", seen.least)
	}
	s.say.good("%d requests meanwhile, always to all three: %d answered by 1.0.0, %d by 1.1.0, %d by nobody", seen.asked, seen.within["1.0.0"], seen.within["1.1.0"], seen.unanswered)
	s.say.good("never did fewer than %d of %d machines answer", seen.least, machineCount)
	return s.show(ctx, "get", "drun", "-n", "shop", "--sort-by=.metadata.creationTimestamp")
}

func stopThird(ctx context.Context, s *scene) error {
	s.say.title("1.2.0 fails its smoke test on the first machine, and the roll stops there")
	if err := s.release(ctx, "1.2.0", "RunFailed"); err != nil {
		return err
	}
	run, err := s.Kubectl(ctx, "", "get", "rb", "shop-production", "-n", "shop", "-o", "jsonpath={.status.lastRun}")
	if err != nil {
		return err
	}
	if err := s.show(ctx, "get", "drun", run, "-n", "shop"); err != nil {
		return err
	}
	described, err := s.Kubectl(ctx, "", "describe", "drun", run, "-n", "shop")
	if err != nil {
		return err
	}
	_, failures, found := strings.Cut(described, "  Failures:\n")
	if !found {
		return fmt.Errorf("the run tells no failure:\n%s", described)
	}
	failures, _, _ = strings.Cut(failures, "  Finish Time:")
	s.say.command("kubectl describe drun "+run+" -n shop     # an excerpt", "  Failures:\n"+failures)
	if err := s.showLog(ctx, "web-1", "web/smoke"); err != nil {
		return err
	}
	return s.curl(ctx)
}

func goBack(ctx context.Context, s *scene) error {
	s.say.title("Back to 1.1.0: only the machine that 1.2.0 had touched is deployed to")
	if err := s.bind(ctx, "1.1.0", "UpToDate"); err != nil {
		return err
	}
	if err := s.until(ctx, "the environment shows 1.1.0 on three of three", func() (bool, string, error) {
		seen, err := s.Kubectl(ctx, "", "get", "tenv", "production", "-n", "shop", "-o", "jsonpath={.status.current[0].release} on {.status.current[0].targets}")
		return seen == "1.1.0 on 3/3", "the environment is being counted", err
	}); err != nil {
		return err
	}
	return errors.Join(s.curl(ctx), s.show(ctx, "get", "mantle", "-n", "shop"))
}
