package edge

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"net/http"
	"strconv"

	"vodwright.dev/vodwright/internal/fault"
)

// problem is the body of an error answer: S3's error document, with our hint.
type problem struct {
	XMLName   xml.Name `xml:"Error"`
	Code      string
	Message   string
	Hint      string `xml:",omitempty"`
	RequestID string `xml:"RequestId"`
}

// originFault rewrites what an origin says about an object for viewers: the public
// need not know a private bucket's name, and a hint is worth more.
func originFault(err error, path string) error {
	f := fault.Of(err)
	switch {
	case f.Kind == fault.NotFound && f.Code == "NoSuchBucket":
		return fault.New(fault.NotFound, f.Code, "The bucket that this distribution has as its origin does not exist").
			WithHint("create the bucket, or give the distribution another origin")
	case f.Kind == fault.NotFound:
		return fault.New(fault.NotFound, "NoSuchKey", "There is no object for %q", clip(path, 1024)).
			WithHint("keys are case-sensitive and exact; a job publishes its playlists last, when it is complete")
	case f.Kind == fault.Denied:
		return fault.New(fault.Denied, "AccessDenied", "The origin does not let this distribution read the object").
			WithHint("the bucket's policy must allow the distribution")
	}
	return err
}

// fail answers with err. Nothing has been written yet.
func (v *viewer) fail(err error) {
	if v.r.Context().Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return // the viewer has left; there is nobody to answer
	}
	f := fault.Of(err)
	p := problem{Code: f.Code, Message: f.Message, Hint: f.Hint, RequestID: v.scratch.id[0]}
	status := f.Kind.HTTPStatus()
	switch {
	case f.Code == "MethodNotAllowed":
		status = http.StatusMethodNotAllowed
	case f.Code == "InvalidRange":
		status = http.StatusRequestedRangeNotSatisfiable
	case f.Code == "PreconditionFailed":
		status = http.StatusPreconditionFailed
	}
	if status >= 500 { // the operator's business; the viewer gets a name to quote
		v.edge.cfg.Logger.Error("serve viewer", "host", v.r.Host, "path", v.r.URL.Path, "request_id", p.RequestID, "error", err)
		switch f.Kind {
		case fault.Unavailable:
			status = http.StatusBadGateway
			p.Code, p.Message, p.Hint = "OriginUnavailable", "The origin did not answer", "try again in a moment"
		default:
			p.Code, p.Message, p.Hint = "InternalError", "The edge could not answer this request", "quote the RequestId to the operator"
		}
	}
	if p.Code == "" {
		p.Code = "Error"
	}
	var body bytes.Buffer
	body.WriteString(xml.Header)
	if err := xml.NewEncoder(&body).Encode(p); err != nil {
		v.edge.cfg.Logger.Error("encode error document", "error", err)
	}
	body.WriteByte('\n')

	for _, name := range []string{"Etag", "Last-Modified", "Accept-Ranges", "Content-Encoding", "Content-Disposition", "Content-Language", "Expires", "Age"} {
		delete(v.h, name)
	}
	v.h["X-Cache"] = errorHeader
	v.h["X-Content-Type-Options"] = nosniffHeader
	v.h["Cache-Control"] = []string{"no-cache"} // what is missing now may be there in a second
	v.h["Content-Type"] = []string{"application/xml"}
	v.h["Content-Length"] = []string{strconv.Itoa(body.Len())}
	v.w.WriteHeader(status)
	if v.r.Method != http.MethodHead {
		_, _ = v.w.Write(body.Bytes())
	}
}
