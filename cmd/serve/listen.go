package servecmd

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/cli"
)

// spareFiles is how many files we need beside the connections of clients.
const spareFiles = 32

// openListener listens on the address in opts and returns its URL.
func openListener(opts *options) (listener net.Listener, url string, err error) {
	scheme, path := "http", cmp.Or(opts.Path, "/")
	var secure *tls.Config
	if opts.TLS || opts.Cert != "" {
		scheme = "https"
		if secure, err = tlsConfig(opts); err != nil {
			return nil, "", cli.Usage(err)
		}
	}
	if opts.UnixSocket != "" {
		if listener, err = listenUnix(opts.UnixSocket); err == nil {
			url = scheme + "://localhost" + path
		}
	} else if listener, err = net.Listen("tcp", opts.Addr); err == nil {
		addr := listener.Addr().(*net.TCPAddr)
		host := addr.IP.String()
		if addr.IP.IsUnspecified() {
			host = "localhost"
		}
		url = scheme + "://" + net.JoinHostPort(host, fmt.Sprint(addr.Port)) + path
	}
	var address *net.AddrError
	switch {
	case errors.As(err, &address):
		return nil, "", cli.Usage(fmt.Errorf("--addr %q: %s, want host:port", opts.Addr, address.Err))
	case errors.Is(err, syscall.EADDRINUSE) && opts.UnixSocket != "":
		return nil, "", cli.Fail(cli.ExitNoRun, fmt.Errorf("%s is in use, or is not a socket", opts.UnixSocket), "")
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, "", cli.Fail(cli.ExitNoRun, fmt.Errorf("%s is already in use", opts.Addr), "-p 0 takes a free port, -p PORT another one")
	case errors.Is(err, syscall.EACCES):
		return nil, "", cli.Fail(cli.ExitNoRun, fmt.Errorf("no permission to listen on %s", cmp.Or(opts.UnixSocket, opts.Addr)), "")
	case err != nil:
		return nil, "", cli.Fail(cli.ExitNoRun, err, "")
	case secure != nil:
		listener = tls.NewListener(listener, secure)
	}
	return listener, url, nil
}

// listenUnix listens at path, where a server that died may have left a socket.
func listenUnix(path string) (net.Listener, error) {
	listener, err := net.Listen("unix", path)
	if err == nil {
		return listener, nil
	}
	if info, statErr := os.Stat(path); statErr != nil || info.Mode()&os.ModeSocket == 0 {
		return nil, err
	}
	if conn, dialErr := net.Dial("unix", path); dialErr == nil {
		conn.Close()
		return nil, err // somebody is there
	}
	if removeErr := os.Remove(path); removeErr != nil {
		return nil, errors.Join(err, removeErr)
	}
	return net.Listen("unix", path)
}

func tlsConfig(opts *options) (*tls.Config, error) {
	var (
		cert tls.Certificate
		err  error
	)
	if opts.Cert != "" {
		cert, err = tls.LoadX509KeyPair(opts.Cert, cmp.Or(opts.Key, opts.Cert))
	} else {
		cert, err = selfSigned(opts.Addr)
	}
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2", "http/1.1"}}, nil
}

// selfSigned makes a certificate for this machine, and for the host of addr,
// that is good for a day.
func selfSigned(addr string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	if err != nil {
		return tls.Certificate{}, err
	}
	template := x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "ssectl serve"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	if host, _, err := net.SplitHostPort(addr); err == nil {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else if host != "" {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
