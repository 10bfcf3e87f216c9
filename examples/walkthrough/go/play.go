package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// play reads a stream as a player does: multivariant playlist, media playlist, segment.
func play(ctx context.Context, domain, path string) error {
	client, host, err := viewer(domain)
	if err != nil {
		return err
	}
	at := &url.URL{Scheme: "https", Host: host, Path: "/" + path}
	for {
		body, err := get(ctx, client, at.String())
		if err != nil {
			return err
		}
		fmt.Printf("%9d bytes  %s\n", len(body), at)
		if !strings.HasPrefix(body, "#EXTM3U") {
			if len(body) < 189 || body[0] != 0x47 || body[188] != 0x47 {
				return errors.New("the segment is no transport stream")
			}
			return nil
		}
		for line := range strings.Lines(body) {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
				if at, err = at.Parse(line); err != nil {
					return err
				}
				break
			}
		}
	}
}

// viewer returns a client that reaches the distribution, and its host. For
// Vodwright on this machine that is a port, a private certificate authority, and
// a name below localhost, which not every resolver knows.
func viewer(domain string) (*http.Client, string, error) {
	local := os.Getenv("VODWRIGHT_HTTPS")
	if local == "" {
		return http.DefaultClient, domain, nil
	}
	base, err := url.Parse(local)
	if err != nil {
		return nil, "", err
	}
	pem, err := os.ReadFile(os.Getenv("VODWRIGHT_CA_FILE"))
	if err != nil {
		return nil, "", err
	}
	trust := x509.NewCertPool()
	trust.AppendCertsFromPEM(pem)
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: trust},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, base.Host)
		},
	}}, domain + ":" + base.Port(), nil
}

func get(ctx context.Context, client *http.Client, at string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return "", err
	}
	r.Header.Set("Origin", "https://player.example")
	answer, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return "", err
	}
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("GET %s: %s\n%.500s", at, answer.Status, body)
	}
	if answer.Header.Get("Access-Control-Allow-Origin") != "*" {
		return "", fmt.Errorf("GET %s: players of other sites cannot read this", at)
	}
	return string(body), nil
}
