// Package sigv4 verifies AWS Signature Version 4 on incoming requests, in the
// Authorization header and in presigned URLs.
//
// A request, the present instant and a way to look up access keys flow in, an
// Identity flows out. It reads the request's body (bounded, and puts it back)
// to check its digest; it holds no state and touches nothing else.
//
// Invariants: signatures and session tokens are compared in constant time; a
// header that starts with x-amz- and is not signed is refused, since it could
// change what the request means; a request is valid for 15 minutes around its
// date, a presigned one until it expires, at most 7 days.
//
// Specification: "Create a signed AWS API request" in the IAM user guide.
package sigv4

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

const (
	algorithm = "AWS4-HMAC-SHA256"
	stamp     = "20060102T150405Z"
	// Skew is how far a request's date may be from ours, as the service has it.
	Skew = 15 * time.Minute
	// maxExpires is the longest life of a presigned request.
	maxExpires      = 7 * 24 * time.Hour
	unsignedPayload = "UNSIGNED-PAYLOAD"
)

// MaxBody bounds the body, in bytes, that Verify reads to check its digest. The
// largest document of the APIs, a job with 150 inputs, is well below 1 MB; a
// function's code of 50 MB comes in base64 within one.
func MaxBody(service string) int64 {
	if service == "lambda" {
		return 72 << 20
	}
	return 4 << 20
}

// The codes of the errors that Verify returns, all of kind Denied except the
// last, which is Limit. The rest-json services put "Exception" names in their
// place (see rest).
const (
	CodeMissing    = "MissingAuthenticationToken"
	CodeIncomplete = "IncompleteSignature"
	CodeUnknownKey = "InvalidClientTokenId"
	CodeExpired    = "ExpiredToken"
	CodeSkewed     = "RequestExpired"
	CodeMismatch   = "SignatureDoesNotMatch"
	CodeTooLarge   = "RequestEntityTooLarge"
)

// Credential is what the keeper of keys knows of an access key.
type Credential struct {
	Secret       string
	SessionToken string    // "" for a long-lived key; else the request must carry the same
	Expires      time.Time // zero never expires
	ARN          string    // the principal that the key belongs to
	Account      string    // its account id
}

// Lookup finds the credential of an access key id; false when there is none.
// It is called before the signature is checked: it must not tell the two apart in time or log the id as trusted.
type Lookup func(accessKeyID string) (Credential, bool)

// Identity is who signed a verified request, and for what.
type Identity struct {
	AccessKeyID string
	ARN         string
	Account     string
	Region      string // of the credential scope
	Service     string // of the credential scope
	Presigned   bool
}

// Verify checks the signature of r at the instant now. It reads at most MaxBody
// of the body and leaves an equal one in its place. The caller compares
// Identity.Service with the service it is.
func Verify(r *http.Request, now time.Time, lookup Lookup) (Identity, error) {
	sig, err := read(r)
	if err != nil {
		return Identity{}, err
	}
	if err := sig.fresh(now); err != nil {
		return Identity{}, err
	}
	cred, ok := lookup(sig.accessKey)
	if !ok {
		return Identity{}, denied(CodeUnknownKey, "the access key id %q is not known here", clip(sig.accessKey)).
			WithHint("`vodwright env` prints the keys of this server")
	}
	if subtle.ConstantTimeCompare([]byte(cred.SessionToken), []byte(sig.token)) != 1 {
		return Identity{}, denied(CodeUnknownKey, "the security token included in the request is invalid")
	}
	if !cred.Expires.IsZero() && now.After(cred.Expires) {
		return Identity{}, denied(CodeExpired, "the security token included in the request is expired")
	}
	if err := headersSigned(r, sig); err != nil {
		return Identity{}, err
	}
	payload, err := payloadHash(r, sig)
	if err != nil {
		return Identity{}, err
	}
	want, err := hex.DecodeString(sig.signature)
	if err != nil || !hmac.Equal(want, sig.sign(cred.Secret, canonicalRequest(r, sig, payload))) {
		return Identity{}, denied(CodeMismatch, "the request signature we calculated does not match the signature you provided").
			WithHint("check the secret access key, and that nothing between changes the request's path, query or host")
	}
	return Identity{
		AccessKeyID: sig.accessKey, ARN: cred.ARN, Account: cred.Account,
		Region: sig.region, Service: sig.service, Presigned: sig.presigned,
	}, nil
}

func denied(code, format string, args ...any) *fault.Error {
	return fault.New(fault.Denied, code, format, args...)
}

// signature is what a request says of its own signature.
type signature struct {
	accessKey, date, region, service string // the credential scope
	headers                          []string
	signature, stamp, token          string
	at                               time.Time
	expires                          time.Duration // of a presigned request
	presigned                        bool
}

func read(r *http.Request) (signature, error) {
	s := signature{}
	auth := r.Header.Get("Authorization")
	q := r.URL.Query()
	var credential, headers string
	switch {
	case auth != "":
		fields, ok := strings.CutPrefix(auth, algorithm)
		if !ok {
			return s, denied(CodeIncomplete, "the Authorization header is not of the form %s Credential=…, SignedHeaders=…, Signature=…", algorithm)
		}
		for _, f := range strings.FieldsFunc(fields, func(c rune) bool { return c == ',' || c == ' ' }) {
			switch k, v, _ := strings.Cut(f, "="); k {
			case "Credential":
				credential = v
			case "SignedHeaders":
				headers = v
			case "Signature":
				s.signature = v
			}
		}
		s.stamp, s.token = r.Header.Get("X-Amz-Date"), r.Header.Get("X-Amz-Security-Token")
		if d, err := http.ParseTime(r.Header.Get("Date")); s.stamp == "" && err == nil {
			s.stamp = d.UTC().Format(stamp)
		}
	case q.Has("X-Amz-Signature") || q.Has("X-Amz-Credential"):
		if q.Get("X-Amz-Algorithm") != algorithm {
			return s, denied(CodeIncomplete, "X-Amz-Algorithm is not %s", algorithm)
		}
		s.presigned = true
		credential, headers, s.signature = q.Get("X-Amz-Credential"), q.Get("X-Amz-SignedHeaders"), q.Get("X-Amz-Signature")
		s.stamp, s.token = q.Get("X-Amz-Date"), q.Get("X-Amz-Security-Token")
		seconds, err := strconv.ParseInt(q.Get("X-Amz-Expires"), 10, 32)
		s.expires = time.Duration(seconds) * time.Second
		if err != nil || s.expires < time.Second || s.expires > maxExpires {
			return s, denied(CodeIncomplete, "X-Amz-Expires must be between 1 and %d seconds", int(maxExpires.Seconds()))
		}
	default:
		return s, denied(CodeMissing, "the request is not signed").WithHint("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; `vodwright env` prints them")
	}
	p := strings.Split(credential, "/")
	n := len(p)
	if n < 5 || p[n-1] != "aws4_request" {
		return s, denied(CodeIncomplete, "the credential must have the form KEY/DATE/REGION/SERVICE/aws4_request")
	}
	s.accessKey, s.date, s.region, s.service = strings.Join(p[:n-4], "/"), p[n-4], p[n-3], p[n-2]
	s.headers = strings.Split(headers, ";")
	at, err := time.Parse(stamp, s.stamp)
	s.at = at
	switch {
	case err != nil || !strings.HasPrefix(s.stamp, s.date) || len(s.date) != 8:
		return s, denied(CodeIncomplete, "the request's date must be in the basic ISO 8601 form and on the day of its credential")
	case s.signature == "" || !slices.Contains(s.headers, "host") || !slices.IsSorted(s.headers):
		return s, denied(CodeIncomplete, "the signed headers must be sorted and contain host, and the signature must be there")
	}
	return s, nil
}

// fresh words its errors as the services do: SDKs read them to correct a wrong clock.
func (s signature) fresh(now time.Time) error {
	late, early := s.at.Add(Skew), s.at.Add(-Skew)
	if s.presigned {
		late = s.at.Add(s.expires)
	}
	switch {
	case now.After(late):
		return denied(CodeSkewed, "Signature expired: %s is now earlier than %s", s.stamp, now.UTC().Add(-Skew).Format(stamp))
	case now.Before(early):
		return denied(CodeSkewed, "Signature not yet current: %s is still later than %s", s.stamp, now.UTC().Add(Skew).Format(stamp))
	}
	return nil
}

// headersSigned refuses headers that change a request's meaning and are not signed.
func headersSigned(r *http.Request, s signature) error {
	for k := range r.Header {
		k = strings.ToLower(k)
		if strings.HasPrefix(k, "x-amz-") && k != "x-amz-content-sha256" && !slices.Contains(s.headers, k) {
			return denied(CodeMismatch, "the header %s is not signed", k)
		}
	}
	return nil
}

// payloadHash returns the digest of the body as the signature covers it, after
// comparing it with the one that the request claims.
func payloadHash(r *http.Request, s signature) (string, error) {
	claim := r.Header.Get("X-Amz-Content-Sha256")
	if claim == unsignedPayload || (s.presigned && s.service == "s3" && claim == "") {
		return unsignedPayload, nil
	}
	if strings.HasPrefix(claim, "STREAMING-") {
		return "", denied(CodeMismatch, "a streamed payload is signed only towards the object store")
	}
	body := r.Body
	if body == nil {
		body = http.NoBody
	}
	data, err := io.ReadAll(http.MaxBytesReader(nil, body, MaxBody(s.service)))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return "", fault.New(fault.Limit, CodeTooLarge, "the request's document is larger than %d bytes", tooLarge.Limit)
	}
	if err != nil {
		return "", fault.New(fault.Invalid, CodeIncomplete, "read request body: %w", err)
	}
	r.Body = io.NopCloser(bytes.NewReader(data))
	sum := sha256.Sum256(data)
	got := hex.EncodeToString(sum[:])
	if claim != "" && subtle.ConstantTimeCompare([]byte(claim), []byte(got)) != 1 {
		return "", denied(CodeMismatch, "the body does not have the digest of X-Amz-Content-Sha256")
	}
	return got, nil
}

func (s signature) sign(secret, canonical string) []byte {
	key := []byte("AWS4" + secret)
	for _, part := range []string{s.date, s.region, s.service, "aws4_request"} {
		key = mac(key, part)
	}
	sum := sha256.Sum256([]byte(canonical))
	scope := s.date + "/" + s.region + "/" + s.service + "/aws4_request"
	return mac(key, fmt.Sprintf("%s\n%s\n%s\n%s", algorithm, s.stamp, scope, hex.EncodeToString(sum[:])))
}

func mac(key []byte, s string) []byte {
	h := hmac.New(sha256.New, key)
	_, _ = io.WriteString(h, s) // a hash takes everything
	return h.Sum(nil)
}

func clip(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}
