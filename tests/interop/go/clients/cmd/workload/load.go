package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

// backdate is by how much certificates are valid before they are made.
const backdate = 10 * time.Second

// endurance ends a load that nobody ends.
const endurance = 15 * time.Minute

// load fails at the first connection that fails, whatever is done to the servers of both sides meanwhile.
func load(ctx context.Context, source *workloadapi.X509Source, address, file string, count int) error {
	config := tlsconfig.MTLSClientConfig(source, source, tlsconfig.AuthorizeMemberOf(trustDomain(source)))
	seen := map[string]bool{}
	calls, oldest := 0, 0.0
	var asked time.Time
	for {
		peer, err := callOnce(ctx, config, address)
		if err != nil {
			return fmt.Errorf("call %d, after %d certificates: %w", calls, len(seen), err)
		}
		own, err := source.GetX509SVID()
		if err != nil {
			return err
		}
		for _, certificate := range []*x509.Certificate{peer, own.Certificates[0]} {
			seen[certificate.SerialNumber.String()] = true
			oldest = max(oldest, age(certificate))
		}
		calls++
		if _, err := os.Stat(file); err == nil && asked.IsZero() {
			asked = time.Now()
		}
		if !asked.IsZero() && len(seen) >= count {
			fmt.Printf("%d calls, %d certificates, oldest at %.3f\n", calls, len(seen), oldest)
			return nil
		}
		if !asked.IsZero() && time.Since(asked) > patience {
			return fmt.Errorf("%d certificates in %d calls, and no more in %s", len(seen), calls, patience)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("nobody made %s: %w", file, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// age is the part of its life that a certificate has behind it, without the seconds by which it is valid too early.
func age(certificate *x509.Certificate) float64 {
	begin := certificate.NotBefore.Add(backdate)
	return time.Since(begin).Seconds() / certificate.NotAfter.Sub(begin).Seconds()
}
