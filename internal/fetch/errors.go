package fetch

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"syscall"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/limit"
)

// MediaConvert's error codes of HTTP inputs, as its user guide lists them.
const (
	codeUnauthorized = "3401"
	codeForbidden    = "3403"
	codeNotFound     = "3404"
	codeTimeout      = "3408"
	codeServer       = "3450"
	codeConnect      = "3451"
	codePolicy       = "3457" // disallowed by policy
	codeOther        = "3999"
)

// statusFault says what an answer other than the file means.
func statusFault(u *url.URL, status int) error {
	kind, code := fault.Invalid, codeOther
	switch {
	case status == http.StatusUnauthorized:
		kind, code = fault.Denied, codeUnauthorized
	case status == http.StatusForbidden:
		kind, code = fault.Denied, codeForbidden
	case status == http.StatusNotFound, status == http.StatusGone:
		kind, code = fault.NotFound, codeNotFound
	case status == http.StatusRequestTimeout:
		kind, code = fault.Unavailable, codeTimeout
	case status == http.StatusTooManyRequests:
		kind = fault.Unavailable
	case status >= 500:
		kind, code = fault.Unavailable, codeServer
	}
	return fault.New(kind, code, "%s answers %d %s", place(u), status, http.StatusText(status))
}

// connectFault says why there is no answer. The client's error is unwrapped: it
// would show the whole URL.
func (d *download) connectFault(err error) error {
	var ours *fault.Error
	if errors.As(err, &ours) {
		return ours
	}
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	var timeout net.Error
	var unknown x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	var verification *tls.CertificateVerificationError
	var dns *net.DNSError
	switch {
	case errors.Is(err, errPolicy):
		return fault.New(fault.Denied, codePolicy, "%s is at an address of this machine or of a private network, or on a port that is not for HTTP", place(d.url)).
			WithHint("vodwright serve --private-input lets jobs fetch from private networks")
	case errors.Is(err, errRedirects):
		return fault.New(fault.Invalid, codePolicy, "%s redirects more than %d times", place(d.url), d.limits.FetchRedirects).
			WithHint("%s", limit.FetchRedirects.Hint())
	case errors.As(err, &unknown), errors.As(err, &hostname), errors.As(err, &invalid), errors.As(err, &verification):
		return fault.New(fault.Invalid, codeConnect, "%s has no valid certificate: %w", place(d.url), err)
	case errors.As(err, &dns) && dns.IsNotFound:
		return fault.New(fault.Invalid, codeConnect, "the host of %s is not known", place(d.url))
	case errors.As(err, &timeout) && timeout.Timeout():
		return fault.New(fault.Unavailable, codeTimeout, "%s does not answer in time", place(d.url))
	default:
		return fault.New(fault.Unavailable, codeConnect, "%s cannot be reached: %w", place(d.url), err)
	}
}

// writeFault says why the local file cannot be written.
func (d *download) writeFault(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fault.New(fault.Unavailable, "1050", "the disk is full after %d bytes of the input", d.done)
	}
	return fault.New(fault.Internal, "1999", "write the input's file: %w", err)
}
