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

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "\ndemo:", err)
		os.Exit(1)
	}
}

// limit bounds the whole demo, whatever hangs.
const limit = 5 * time.Minute

func run(ctx context.Context) (err error) {
	began := time.Now()
	say := newTeller(os.Stdout)
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	s, err := newStage(say)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := play(bounded, s, say); err != nil {
		if ctx.Err() != nil {
			say.line("Interrupted; cleaning up.")
			return nil
		}
		return fmt.Errorf("%w\n%s", err, s.operatorLog())
	}
	say.done("All of that took %.0f seconds, and nothing of it is left behind.", time.Since(began).Seconds())
	if os.Getenv("KEEP") == "" {
		return nil
	}
	keep(s, say)
	<-ctx.Done()
	say.line("Cleaning up.")
	return nil
}

func keep(s *stage, say *teller) {
	say.title("It is left running until Ctrl-C. Try:")
	say.line("export KUBECONFIG=%s PATH=%s:$PATH", s.kubeconfig, s.binFolder())
	for _, command := range []string{
		"kubectl get mantle -A",
		"kubectl describe drun -n shop",
		"kubectl explain deploymenttarget.spec",
		"kubectl patch rb shop-production -n shop --type=merge -p '{\"spec\":{\"release\":\"1.0.0\"}}'",
		"curl http://" + s.shops[0] + "/",
	} {
		say.line("  %s", command)
	}
}
