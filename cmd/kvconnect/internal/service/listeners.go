package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"syscall"

	"github.com/kvconnect/kvconnect/transport"
)

// DefaultAdminAddr is the address for operators. A second server on the machine
// does without one, so that it need not know of the first.
const DefaultAdminAddr = "127.0.0.1:4513"

type listeners struct {
	main       net.Listener
	gate       *transport.Gate // of main
	admin      net.Listener    // nil for none
	challenges net.Listener    // of certificate authorities over plain HTTP; nil for none
}

func listen(ctx context.Context, options Options) (*listeners, error) {
	var config net.ListenConfig
	main, err := config.Listen(ctx, "tcp", options.Addr)
	if err != nil {
		return nil, listenError(err, "--addr")
	}
	gate := options.Connections.within(maxOpenFiles(), options.mostDatabases(), options.Logger).gate(options.Logger)
	l := &listeners{main: gate.Listen(main), gate: gate}
	if addr := options.TLS.ChallengeAddr; addr != "" {
		if l.challenges, err = config.Listen(ctx, "tcp", addr); err != nil {
			return nil, errors.Join(listenError(err, "--acme-http-addr"), l.close())
		}
		l.challenges = ConnectionLimits{Max: maxChallengeConnections, MaxPerAddress: maxChallengeConnectionsPerAddress}.
			gate(options.Logger).Listen(l.challenges)
	}
	if options.AdminAddr == "" {
		return l, nil
	}
	l.admin, err = config.Listen(ctx, "tcp", options.AdminAddr)
	switch {
	case err == nil:
	case errors.Is(err, syscall.EADDRINUSE) && !options.AdminAddrChosen && options.DataDir != "":
		// The folder says where it is, so any port does.
		if l.admin, err = config.Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
			return nil, errors.Join(listenError(err, "--admin-addr"), l.close())
		}
	case errors.Is(err, syscall.EADDRINUSE) && !options.AdminAddrChosen:
		options.Logger.Warn("no admin listener, its default address is in use", "addr", options.AdminAddr)
	default:
		return nil, errors.Join(listenError(err, "--admin-addr"), l.close())
	}
	if l.admin != nil {
		l.admin = ConnectionLimits{Max: maxAdminConnections}.gate(options.Logger).Listen(l.admin)
	}
	return l, nil
}

func listenError(err error, flag string) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w: stop the program that uses it, or choose another address with %s", err, flag)
	}
	return fmt.Errorf("%w: choose another address with %s", err, flag)
}

func (l *listeners) adminAddr() string {
	if l.admin == nil {
		return ""
	}
	return l.admin.Addr().String()
}

func (l *listeners) close() error {
	err := l.main.Close()
	for _, other := range []net.Listener{l.admin, l.challenges} {
		if other != nil {
			err = errors.Join(err, other.Close())
		}
	}
	return err
}

// clientURL gives the URL to show to the user. A server that listens everywhere is reached,
// from this machine, as localhost, and one with certificates by a name that they are for.
func clientURL(public *url.URL, addr net.Addr, shown certificates) string {
	if public != nil {
		return public.String()
	}
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return "http://" + addr.String()
	}
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		host = "localhost"
	}
	if shown == nil {
		return "http://" + net.JoinHostPort(host, port)
	}
	host = shown.Host(host)
	if port == httpsPort && !strings.Contains(host, ":") {
		return "https://" + host
	}
	return "https://" + net.JoinHostPort(host, port)
}

const httpsPort = "443"
