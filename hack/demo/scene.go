package main

import (
	"context"
	"strings"

	"github.com/mantledeploy/mantle/hack/stage"
)

// scene is what the story is played on: the processes and their folder, and what the acts have to know of each other.
type scene struct {
	*stage.Stage

	say   *teller
	logs  string // where the operator serves logs
	token string // of somebody who may read them
	shops []string
}

func newScene(say *teller) (*scene, error) {
	s, err := stage.New("demo")
	if err != nil {
		return nil, err
	}
	return &scene{Stage: s, say: say}, nil
}

// show runs kubectl and shows both what was typed and what was seen.
func (s *scene) show(ctx context.Context, args ...string) error {
	seen, err := s.Kubectl(ctx, "", args...)
	if err == nil {
		s.say.command("kubectl "+strings.Join(args, " "), seen)
	}
	return err
}

// operator starts the operator, which takes packages from a folder and serves logs.
func (s *scene) operator(ctx context.Context) error {
	var err error
	if s.logs, err = freeAddress("127.0.0.1"); err != nil {
		return err
	}
	_, err = s.Operator(ctx, "--package-root", s.Path("packages"), "--metrics-bind-address", s.logs)
	return err
}
