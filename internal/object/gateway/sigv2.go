package gateway

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/s3err"
)

// The AWS CLI v1 and boto3 presign with SigV2 in us-east-1, which versitygw does
// not know: the signature is checked here and the request goes on with a SigV4
// presigned one. Source: S3 developer guide, "Signing and authenticating REST
// requests", query string alternative.

// sigV2 marks the context of a request that was signed so: policies may ask.
type sigV2 struct{}

// isSubresource reports whether a query parameter is part of what SigV2 signs.
func isSubresource(name string) bool {
	switch name {
	case "acl", "cors", "delete", "lifecycle", "location", "logging", "notification", "partNumber", "policy",
		"requestPayment", "restore", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning",
		"versions", "website", "response-cache-control", "response-content-disposition", "response-content-encoding",
		"response-content-language", "response-content-type", "response-expires":
		return true
	}
	return false
}

// upgradeSigV2 returns the request signed with SigV4, or S3's error. A query
// parameter that the signature does not cover is refused.
func (g *Gateway) upgradeSigV2(r *http.Request) (*http.Request, error) {
	denied := func(why string) error {
		return s3err.APIError{Code: "AccessDenied", Description: why, HTTPStatusCode: http.StatusForbidden}
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, s3err.GetAPIError(s3err.ErrInvalidRequest)
	}
	id, signature, expires := q.Get("AWSAccessKeyId"), q.Get("Signature"), q.Get("Expires")
	until, err := strconv.ParseInt(expires, 10, 64)
	if err != nil || signature == "" {
		return nil, denied("Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters")
	}
	if time.Now().Unix() > until {
		return nil, denied("Request has expired")
	}
	c, err := g.iam.find(id)
	if errors.Is(err, auth.ErrNoSuchUser) {
		return nil, s3err.GetInvalidAccessKeyIdErr(id)
	}
	if err != nil {
		return nil, err
	}
	var signed []string
	amz := map[string][]string{}
	for name, values := range q {
		lower := strings.ToLower(name)
		switch {
		case name == "AWSAccessKeyId" || name == "Signature" || name == "Expires":
		case strings.HasPrefix(lower, "x-amz-"):
			amz[lower] = append(amz[lower], values...)
		case isSubresource(name) && values[0] == "":
			signed = append(signed, name)
		case isSubresource(name):
			signed = append(signed, name+"="+values[0])
		case name == "x-id": // SDKs name the operation; it changes nothing
		default:
			return nil, denied("The parameter " + name + " is not covered by the signature")
		}
		if len(values) > 1 && isSubresource(name) {
			return nil, denied("The parameter " + name + " occurs twice")
		}
	}
	for name, values := range r.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") {
			amz[lower] = append(amz[lower], values...)
		}
	}
	var b strings.Builder
	b.WriteString(r.Method + "\n" + r.Header.Get("Content-Md5") + "\n" + r.Header.Get("Content-Type") + "\n" + expires + "\n")
	names := make([]string, 0, len(amz))
	for name := range amz {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		b.WriteString(name + ":" + strings.Join(amz[name], ",") + "\n")
	}
	if bucket := g.bucketOfHost(r.Host); bucket != "" {
		b.WriteString("/" + bucket)
	}
	b.WriteString(r.URL.EscapedPath())
	slices.Sort(signed)
	if len(signed) > 0 {
		b.WriteString("?" + strings.Join(signed, "&"))
	}
	m := hmac.New(sha1.New, []byte(c.SecretAccessKey))
	m.Write([]byte(b.String()))
	want := base64.StdEncoding.EncodeToString(m.Sum(nil))
	if subtle.ConstantTimeCompare([]byte(want), []byte(signature)) != 1 {
		return nil, s3err.APIError{
			Code: "SignatureDoesNotMatch", HTTPStatusCode: http.StatusForbidden,
			Description: "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
		}
	}
	if !sameToken(c.SessionToken, q.Get("x-amz-security-token")) {
		return nil, s3err.GetAPIError(s3err.ErrInvalidToken)
	}

	for _, name := range []string{"AWSAccessKeyId", "Signature", "Expires", "x-amz-security-token"} {
		q.Del(name)
	}
	q.Set("X-Amz-Expires", "60")
	u := &url.URL{Scheme: "http", Host: r.Host, Path: r.URL.Path, RawPath: awsPath(r.URL.Path), RawQuery: q.Encode()}
	unsigned, err := http.NewRequest(r.Method, u.String(), nil)
	if err != nil {
		return nil, s3err.GetAPIError(s3err.ErrInvalidRequest)
	}
	for name, values := range r.Header {
		if strings.HasPrefix(strings.ToLower(name), "x-amz-") {
			unsigned.Header[name] = values
		}
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true; o.DisableHeaderHoisting = true })
	presigned, _, err := signer.PresignHTTP(context.Background(), aws.Credentials{AccessKeyID: id, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken},
		unsigned, "UNSIGNED-PAYLOAD", "s3", g.cfg.Region, time.Now())
	if err != nil {
		return nil, err
	}
	to, err := url.Parse(presigned)
	if err != nil {
		return nil, err
	}
	next := r.Clone(context.WithValue(r.Context(), sigV2{}, true))
	next.URL.RawPath, next.URL.RawQuery = u.RawPath, to.RawQuery
	next.RequestURI = u.RawPath + "?" + to.RawQuery
	return next, nil
}

// awsPath escapes a path as SigV4 canonicalizes it.
func awsPath(path string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(path) {
		c := path[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-._~/", c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteString("%" + string(hex[c>>4]) + string(hex[c&15]))
		}
	}
	return b.String()
}
