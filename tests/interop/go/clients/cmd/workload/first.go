package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

// first measures within the process: how long the machine takes to start one is none of the agent's doing.
func first(ctx context.Context, address string) error {
	began, err := uptime()
	if err != nil {
		return err
	}
	fetched, err := workloadapi.FetchX509Context(ctx, workloadapi.WithAddr(address))
	if err != nil {
		return err
	}
	if len(fetched.SVIDs) == 0 {
		return fmt.Errorf("no X.509-SVID at %s", address)
	}
	ended, err := uptime()
	if err != nil {
		return err
	}
	fmt.Println(began, ended)
	return nil
}

// uptime is in seconds, as text.
func uptime() (string, error) {
	text, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return "", err
	}
	seconds, _, _ := strings.Cut(string(text), " ")
	return seconds, nil
}
