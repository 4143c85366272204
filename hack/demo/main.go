package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// interrupted is the exit code after Ctrl-C, as shells have it.
const interrupted = 130

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	told, err := run(ctx)
	stop()
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "\ndemo:", err)
		os.Exit(1)
	case !told:
		os.Exit(interrupted)
	}
}

// limit bounds the whole demo, whatever hangs.
const limit = 5 * time.Minute

// run plays the story and cleans up, and says whether the story was told to its end.
func run(ctx context.Context) (told bool, err error) {
	began := time.Now()
	say := newTeller(os.Stdout)
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	s, err := newScene(say)
	if err != nil {
		return false, err
	}
	err = play(bounded, s)
	switch {
	case ctx.Err() != nil:
		say.line("Interrupted; cleaning up.")
		return false, s.Close()
	case err != nil:
		err = fmt.Errorf("%w\n%s", err, s.LastLines())
		return false, errors.Join(err, s.Close())
	}
	say.done("All of that took %.0f seconds.", time.Since(began).Seconds())
	if os.Getenv("KEEP") != "" {
		keep(s)
		<-ctx.Done()
		say.line("Cleaning up.")
	}
	if err := s.Close(); err != nil {
		return true, err
	}
	say.line("Every process that it started has ended, and its folder is removed.")
	return true, nil
}

// keep tells what to try while everything runs.
func keep(s *scene) {
	s.say.title("It is left running until Ctrl-C. In another terminal:")
	s.say.line("  export KUBECONFIG=%s PATH=%s:$PATH", s.Kubeconfig, s.BinFolder())
	for _, command := range []string{
		"kubectl get mantle -A",
		"kubectl describe drun -n shop",
		"kubectl explain deploymenttarget.spec",
		`kubectl patch rb shop-production -n shop --type=merge -p '{"spec":{"release":"1.0.0"}}'`,
		"curl http://" + s.shops[0] + "/",
	} {
		s.say.line("  %s", command)
	}
}
