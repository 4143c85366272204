package main

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/hack/stage"
)

// followed is what kubectl prints of a run whenever it changes. It has no range, which kubectl takes only once.
const followed = `jsonpath={.status.phase}|{.spec.release}|{.status.steps[*].name}|{.status.steps[*].targets}{"\n"}`

// counted is a line of that as it is shown; empty for a run that has ended, or not begun.
func counted(line string) string {
	parts := strings.Split(line, "|")
	if len(parts) != 4 || v1alpha1.RunPhase(parts[0]).IsTerminal() {
		return ""
	}
	names, counts := strings.Fields(parts[2]), strings.Fields(parts[3])
	if len(names) != len(counts) || len(names) == 0 {
		return ""
	}
	text := parts[1] + ":"
	for i, name := range names {
		text += "  " + name + " " + counts[i]
	}
	return text
}

// follow shows how far the steps of the newest run are, until the returned function is called.
func (s *scene) follow(ctx context.Context) (stop func(), err error) {
	if !s.say.tty {
		return func() {}, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	cmd := s.Command(ctx, "get", "drun", "-n", "shop", "--watch", "-o", followed)
	stage.DieWithUs(cmd)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("following the run: %w", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if text := counted(lines.Text()); text != "" {
				s.say.steps(text)
			}
		}
	}()
	return func() {
		cancel()
		<-done
		_ = cmd.Wait() // it was killed
		s.say.steps("")
	}, nil
}
