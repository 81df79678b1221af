package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// exitInterrupted is what shells report of a program that SIGINT ended.
const exitInterrupted = 128 + int(syscall.SIGINT)

// interruptible gives a context that the first SIGINT or SIGTERM ends. The second
// one ends the process at once. The cause of the context names the signal. stop gives the signals back.
func interruptible(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		for received := range signals {
			if ctx.Err() != nil {
				os.Exit(exitInterrupted)
			}
			cancel(fmt.Errorf("signal: %s", received))
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		<-finished
		cancel(nil)
	}
}
