// Command workload uses the Workload API as programs built on go-spiffe do.
//
//	workload fetch SOCKET               prints the X.509-SVID's id and serial
//	workload ids SOCKET                 prints the id of each X.509-SVID
//	workload first SOCKET               prints when its first call began and ended, in
//	                                    seconds since the machine was started
//	workload jwt SOCKET AUDIENCE        fetches a JWT-SVID and validates it both ways
//	workload serve SOCKET ADDRESS       mTLS server over an X509Source; echoes
//	workload call SOCKET ADDRESS COUNT  calls it, a connection each, until the
//	                                    server has shown COUNT certificates
//	workload load SOCKET ADDRESS FILE COUNT
//	                                    calls it until FILE is there and both sides
//	                                    have shown COUNT certificates, and tells the
//	                                    greatest part of its life that one of them
//	                                    had behind it
//	workload echo ADDRESS               a plain TCP server that echoes
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/jwtbundle"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

const patience = 90 * time.Second

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) < 2 {
		return errors.New("usage: workload fetch|ids|first|jwt|serve|call|load|echo …")
	}
	if arguments[0] == "echo" && len(arguments) == 2 {
		listener, err := net.Listen("tcp", arguments[1])
		if err != nil {
			return err
		}
		return accept(listener)
	}
	limit := patience
	if arguments[0] == "load" {
		limit = endurance
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	address := workloadapi.WithClientOptions(workloadapi.WithAddr("unix://" + arguments[1]))
	switch {
	case arguments[0] == "jwt" && len(arguments) == 3:
		return fetchJWT(ctx, address, arguments[2])
	case arguments[0] == "ids" && len(arguments) == 2:
		return ids(ctx, "unix://"+arguments[1])
	case arguments[0] == "first" && len(arguments) == 2:
		return first(ctx, "unix://"+arguments[1])
	case arguments[0] == "fetch" && len(arguments) == 2:
	case arguments[0] == "serve" && len(arguments) == 3:
	case arguments[0] == "call" && len(arguments) == 4:
	case arguments[0] == "load" && len(arguments) == 5:
	default:
		return fmt.Errorf("wrong arguments: %q", arguments)
	}
	source, err := workloadapi.NewX509Source(ctx, address)
	if err != nil {
		return err
	}
	defer source.Close()
	switch arguments[0] {
	case "serve":
		return serve(source, arguments[2])
	case "call":
		count, err := strconv.Atoi(arguments[3])
		if err != nil {
			return err
		}
		return call(ctx, source, arguments[2], count)
	case "load":
		count, err := strconv.Atoi(arguments[4])
		if err != nil {
			return err
		}
		return load(ctx, source, arguments[2], arguments[3], count)
	default:
		svid, err := source.GetX509SVID()
		if err != nil {
			return err
		}
		fmt.Println(svid.ID, svid.Certificates[0].SerialNumber, svid.Hint)
		return nil
	}
}

// ids asks once, so that a refusal is an error and not waited out.
func ids(ctx context.Context, address string) error {
	fetched, err := workloadapi.FetchX509Context(ctx, workloadapi.WithAddr(address))
	if err != nil {
		return err
	}
	for _, svid := range fetched.SVIDs {
		fmt.Println(svid.ID)
	}
	return nil
}

func fetchJWT(ctx context.Context, address workloadapi.SourceOption, audience string) error {
	source, err := workloadapi.NewJWTSource(ctx, address)
	if err != nil {
		return err
	}
	defer source.Close()
	svid, err := source.FetchJWTSVID(ctx, jwtsvid.Params{Audience: audience})
	if err != nil {
		return err
	}
	bundle, err := source.GetJWTBundleForTrustDomain(svid.ID.TrustDomain())
	if err != nil {
		return err
	}
	checked, err := jwtsvid.ParseAndValidate(svid.Marshal(), jwtbundle.NewSet(bundle), []string{audience})
	if err != nil {
		return fmt.Errorf("by the bundle: %w", err)
	}
	if _, err := jwtsvid.ParseAndValidate(svid.Marshal(), source, []string{"another"}); err == nil {
		return errors.New("a token for one audience was taken for another")
	}
	fmt.Println(checked.ID, checked.Audience)
	return nil
}

func serve(source *workloadapi.X509Source, address string) error {
	config := tlsconfig.MTLSServerConfig(source, source, tlsconfig.AuthorizeAny())
	listener, err := tls.Listen("tcp", address, config)
	if err != nil {
		return err
	}
	return accept(listener)
}

func accept(listener net.Listener) error {
	fmt.Println("listening")
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go echo(connection)
	}
}

func echo(connection net.Conn) {
	defer connection.Close()
	line, err := bufio.NewReader(connection).ReadString('\n')
	if err != nil {
		// The caller sees no more of a refusal than a connection that is cut.
		fmt.Fprintln(os.Stderr, "refused:", err)
		return
	}
	fmt.Fprint(connection, line)
}

// call fails at the first connection that fails: a rotation must not be felt.
func call(ctx context.Context, source *workloadapi.X509Source, address string, count int) error {
	config := tlsconfig.MTLSClientConfig(source, source, tlsconfig.AuthorizeMemberOf(trustDomain(source)))
	seen := map[string]bool{}
	calls := 0
	for len(seen) < count {
		certificate, err := callOnce(ctx, config, address)
		if err != nil {
			return fmt.Errorf("call %d, after %d certificates: %w", calls, len(seen), err)
		}
		seen[certificate.SerialNumber.String()] = true
		calls++
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d certificates in %d calls: %w", len(seen), calls, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
	fmt.Printf("%d calls, %d certificates\n", calls, len(seen))
	return nil
}

func callOnce(ctx context.Context, config *tls.Config, address string) (*x509.Certificate, error) {
	dialer := tls.Dialer{Config: config}
	connection, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	if _, err := fmt.Fprintln(connection, "hello"); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(connection).ReadString('\n')
	if err != nil {
		return nil, err
	}
	if line != "hello\n" {
		return nil, fmt.Errorf("echo of %q", line)
	}
	return connection.(*tls.Conn).ConnectionState().PeerCertificates[0], nil
}
