package gateway

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/versity/versitygw/s3err"

	"vodwright.dev/vodwright/internal/object/catalog"
	"vodwright.dev/vodwright/internal/object/config"
)

// maxDocumentBytes bounds the body of a request that carries a document, which
// is read into memory; S3's largest, a list of parts or of keys to delete, is
// below 4 MiB.
const maxDocumentBytes = 4 << 20

// maxObjectBytes is the most that one PutObject or UploadPart takes, as in S3.
const maxObjectBytes = 5 << 30

// refuse returns S3's error for requests that must not reach the protocol: it
// would ignore what they ask for, take their key for another, or read a document
// without bound.
func (g *Gateway) refuse(r *http.Request) error {
	if _, key := g.target(r); key != "" {
		if err := catalog.CheckKey(key); err != nil {
			return err
		}
	}
	if err := checkHeaders(r.Header.Get); err != nil {
		return err
	}
	if g.isDocument(r) && r.ContentLength > maxDocumentBytes {
		return s3err.APIError{
			Code: "MaxMessageLengthExceeded", HTTPStatusCode: http.StatusBadRequest,
			Description: "Your request was too big: a document may have 4194304 bytes",
		}
	}
	return nil
}

// checkHeaders refuses what would be passed over: get gives a header, or the field
// of a form.
func checkHeaders(get func(name string) string) error {
	if algorithm := get("X-Amz-Server-Side-Encryption"); algorithm != "" {
		if err := config.CheckEncryption(algorithm); err != nil {
			return err
		}
	}
	for _, name := range []string{
		"X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", "X-Amz-Server-Side-Encryption-Context", "X-Amz-Server-Side-Encryption-Bucket-Key-Enabled",
		"X-Amz-Server-Side-Encryption-Customer-Algorithm", "X-Amz-Server-Side-Encryption-Customer-Key",
		"X-Amz-Copy-Source-Server-Side-Encryption-Customer-Algorithm", "X-Amz-Copy-Source-Server-Side-Encryption-Customer-Key",
	} {
		if v := get(name); v != "" && v != "false" {
			return notImplemented("Server-side encryption with a key of one's own (" + strings.ToLower(name) + ")")
		}
	}
	if class := get("X-Amz-Storage-Class"); class != "" && class != "STANDARD" {
		return notImplemented("The storage class " + class)
	}
	return nil
}

// target returns the bucket and the key that a request names, empty for none.
func (g *Gateway) target(r *http.Request) (bucket, key string) {
	path := strings.TrimPrefix(r.URL.Path, "/")
	if bucket := g.bucketOfHost(r.Host); bucket != "" {
		return bucket, path
	}
	bucket, key, _ = strings.Cut(path, "/")
	return bucket, key
}

// isDocument reports whether the body is read into memory as a whole: it is
// unless it is the bytes of an object, a part or a form upload.
func (g *Gateway) isDocument(r *http.Request) bool {
	_, key := g.target(r)
	q := r.URL.Query()
	switch {
	case r.Method == http.MethodPost && key == "" && len(q) == 0:
		return !strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data")
	case r.Method == http.MethodPut && key != "" && r.Header.Get("X-Amz-Copy-Source") == "":
		for name := range q {
			switch name {
			case "partNumber", "uploadId", "x-id":
			default:
				if !strings.HasPrefix(strings.ToLower(name), "x-amz-") {
					return true
				}
			}
		}
		return false
	}
	return true
}

// bridge serves one net/http request with versitygw's fasthttp handler, bodies
// streaming both ways.
func (g *Gateway) bridge(w http.ResponseWriter, r *http.Request) {
	c, ok := g.acquire()
	if !ok {
		return
	}
	defer func() {
		c.ResetUserValues()
		c.Request.Reset()
		c.Response.Reset()
		g.contexts.Put(c)
	}()
	var conn net.Conn = &connection{remote: remoteAddr(r.RemoteAddr), rc: http.NewResponseController(w)}
	if r.TLS != nil {
		// What makes aws:SecureTransport true.
		conn = &tlsConnection{connection: conn.(*connection), state: *r.TLS}
	}
	c.Init2(conn, noLog{}, true)
	// Not what ends when the client goes: one that half-closes still waits for its answer.
	c.SetUserValue(requestKey{}, context.WithoutCancel(r.Context()))
	if r.Context().Value(sigV2{}) != nil {
		c.SetUserValue(sigV2{}, true)
	}

	// fasthttp parses the head itself: versitygw walks the raw header bytes for
	// x-amz-meta-*, which headers set one by one do not have.
	var head bytes.Buffer
	head.WriteString(r.Method + " " + r.RequestURI + " HTTP/1.1\r\nHost: " + r.Host + "\r\n")
	length := r.Header.Get("Content-Length")
	if r.ContentLength > 0 || length != "" && r.ContentLength == 0 {
		head.WriteString("Content-Length: " + strconv.FormatInt(r.ContentLength, 10) + "\r\n")
	}
	_ = r.Header.WriteSubset(&head, map[string]bool{"Content-Length": true, "Expect": true, "Connection": true})
	head.WriteString("\r\n")
	if err := c.Request.Header.Read(bufio.NewReaderSize(&head, head.Len()+16)); err != nil {
		g.writeError(w, r, s3err.GetAPIError(s3err.ErrCannotParseHTTPRequest))
		return
	}
	if r.ContentLength != 0 {
		body := io.Reader(&requestBody{r: r.Body})
		if g.isDocument(r) {
			body = http.MaxBytesReader(w, r.Body, maxDocumentBytes)
		}
		c.Request.SetBodyStream(body, int(r.ContentLength))
	}
	g.handle(c)
	g.answer(w, r, c)
}

// requestBody turns the error of a client that went away in the middle of a body
// into one that no reader above it takes for the end.
type requestBody struct{ r io.Reader }

func (b *requestBody) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = s3err.GetAPIError(s3err.ErrIncompleteBody)
	}
	return n, err
}

// connection stands for the socket that fasthttp believes to serve.
type connection struct {
	remote net.Addr
	rc     *http.ResponseController
}

func (*connection) Read([]byte) (int, error)    { return 0, io.EOF }
func (*connection) Write(b []byte) (int, error) { return len(b), nil }
func (*connection) Close() error                { return nil }
func (*connection) LocalAddr() net.Addr         { return &net.TCPAddr{} }
func (c *connection) RemoteAddr() net.Addr      { return c.remote }
func (*connection) SetDeadline(time.Time) error { return nil }
func (c *connection) SetReadDeadline(t time.Time) error {
	return c.rc.SetReadDeadline(t)
}
func (*connection) SetWriteDeadline(time.Time) error { return nil }

type tlsConnection struct {
	*connection
	state tls.ConnectionState
}

func (c *tlsConnection) Handshake() error                     { return nil }
func (c *tlsConnection) ConnectionState() tls.ConnectionState { return c.state }

func remoteAddr(s string) net.Addr {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return &net.TCPAddr{}
	}
	n, _ := strconv.Atoi(port)
	return &net.TCPAddr{IP: net.ParseIP(host), Port: n}
}

type noLog struct{}

func (noLog) Printf(string, ...any) {}

// writeError answers with S3's error document.
func (g *Gateway) writeError(w http.ResponseWriter, r *http.Request, err error) {
	e := asS3(r.Context(), g.log, err).(s3err.S3Error)
	id := strings.ToUpper(rand.Text()[:16])
	w.Header().Set("x-amz-request-id", id)
	w.Header().Set("Content-Type", "application/xml")
	g.allowOrigin(w.Header(), r)
	w.Header().Set("Connection", "close") // the body may be unread
	w.WriteHeader(e.StatusCode())
	if r.Method != http.MethodHead {
		_, _ = w.Write(e.XMLBody(id, ""))
	}
}
