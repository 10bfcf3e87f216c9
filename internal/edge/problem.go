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

// fail answers with err. Nothing has been written yet.
func (v *viewer) fail(err error) {
	if v.r.Context().Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return // the viewer has left; there is nobody to answer
	}
	f := fault.Of(err)
	p := problem{Code: f.Code, Message: f.Message, Hint: f.Hint, RequestID: v.scratch.id[0]}
	status := statusOf(f)
	if status >= 500 { // the operator's business; the viewer gets a name to quote
		v.edge.cfg.Logger.Error("serve viewer", "host", v.r.Host, "path", v.r.URL.Path, "request_id", p.RequestID, "error", err)
		switch f.Kind {
		case fault.Unavailable:
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
	v.result = resultError
	var refused *refusal
	if errors.As(err, &refused) {
		v.h["X-Vodwright-Why"] = []string{string(refused.layer)}
	}
	if v.errorPage(status) {
		return
	}
	v.h["X-Cache"] = errorHeader
	v.h["X-Content-Type-Options"] = nosniffHeader
	v.h["Cache-Control"] = noCacheHeader // what is missing now may be there in a second
	v.h["Content-Type"] = []string{"application/xml"}
	v.h["Content-Length"] = []string{strconv.Itoa(body.Len())}
	v.writeHeader(status)
	if v.r.Method != http.MethodHead {
		n, _ := v.w.Write(body.Bytes())
		v.sent += int64(n)
	}
}
