// Package gateway speaks S3 over the buckets of package disk.
//
// In: HTTP requests. Out: S3's answers. The protocol itself (routing, SigV4,
// aws-chunked bodies, checksums, XML, CORS, POST forms, ACLs and bucket policies)
// is versitygw's; what a bucket and an object is, is disk's. Between them stand
// the back end (an adapter: S3's shapes to disk's), the bridge (net/http to the
// fasthttp that versitygw is written for) and what versitygw lacks: SigV2
// presigned URLs, several virtual-host domains, encoding-type.
//
// This is the only package that knows versitygw; its version is pinned, its Go
// API is not stable. It keeps no state of its own.
package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/gofiber/fiber/v3"
	"github.com/valyala/fasthttp"
	"github.com/versity/versitygw/s3api"
	"github.com/versity/versitygw/s3api/middlewares"
	"github.com/versity/versitygw/s3api/utils"

	"vodwright.dev/vodwright/internal/object/disk"
)

// Credential is an access key and what it stands for.
type Credential struct {
	AccessKeyID, SecretAccessKey string
	// SessionToken must come with each request when set.
	SessionToken string
	// PrincipalARN is how bucket policies name the holder.
	PrincipalARN string
	// Admin may do everything, as the root key. Without it the holder may do what
	// a bucket's policy or ACL grants.
	Admin bool
}

// Credentials finds access keys. Implementations are safe for concurrent use.
type Credentials interface {
	// Credential returns the key with that id; found is false when there is none.
	Credential(ctx context.Context, accessKeyID string) (c Credential, found bool, err error)
}

// Config is what a Gateway is made of.
type Config struct {
	Engine             *disk.Engine
	Region             string // "" is us-east-1
	AccountID          string // "" is 000000000000
	Root               Credential
	Credentials        Credentials // nil: the root key alone
	VirtualHostDomains []string
	Logger             *slog.Logger // nil discards
}

// Gateway answers S3 requests. It is safe for concurrent use.
type Gateway struct {
	cfg      Config
	log      *slog.Logger
	iam      *identities
	handle   fasthttp.RequestHandler
	contexts sync.Pool // of *fasthttp.RequestCtx
}

const (
	maxConnections = 4096
	maxRequests    = 1024 // in flight; more are answered SlowDown
	maxParts       = 10000
)

// New returns a Gateway over an open engine.
func New(cfg Config) (*Gateway, error) {
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	if cfg.AccountID == "" {
		cfg.AccountID = "000000000000"
	}
	g := &Gateway{cfg: cfg, log: cfg.Logger}
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	g.contexts.New = func() any { return new(fasthttp.RequestCtx) }
	g.iam = &identities{account: cfg.AccountID, root: cfg.Root, others: cfg.Credentials, log: g.log}
	root := middlewares.RootUserConfig{Access: cfg.Root.AccessKeyID, Secret: cfg.Root.SecretAccessKey}
	be := &backEnd{engine: cfg.Engine, account: cfg.AccountID, region: cfg.Region, log: g.log}

	grabbed := make(chan *fiber.App, 1)
	server, err := s3api.New(be, root, cfg.Region, g.iam, nil, nil, nil, nil,
		s3api.WithConcurrencyLimiter(maxConnections, maxRequests),
		s3api.WithQuiet(), s3api.WithKeepAlive(), s3api.WithMpMaxParts(maxParts),
		s3api.WithMiddleware("/", func(c fiber.Ctx) error {
			select {
			case grabbed <- c.App():
			default:
			}
			return c.Next()
		}),
		s3api.WithMiddleware("/", g.virtualHost))
	if err != nil {
		return nil, fmt.Errorf("start S3 protocol: %w", err)
	}
	app, err := grabApp(server, grabbed)
	if err != nil {
		return nil, fmt.Errorf("start S3 protocol: %w", err)
	}
	g.handle = app.Handler()
	return g, nil
}

// grabApp gets the fiber app out of versitygw, which gives it to the handlers of
// a request only: it serves one request on a private socket.
func grabApp(server *s3api.S3ApiServer, grabbed <-chan *fiber.App) (*fiber.App, error) {
	dir, err := os.MkdirTemp("", "vodwright-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "s3")
	listening, served := make(chan struct{}), make(chan error, 1)
	s3api.WithOnListen(func() { close(listening) })(server)
	go func() { served <- server.ServeMultiPort([]string{socket}) }()
	select {
	case <-listening:
	case err := <-served:
		return nil, err
	}
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET / HTTP/1.1\r\nHost: s3\r\nConnection: close\r\n\r\n")); err != nil {
		return nil, err
	}
	var app *fiber.App
	select {
	case app = <-grabbed:
	case err := <-served:
		return nil, fmt.Errorf("private listener ended: %w", err)
	}
	if err := server.ShutDown(); err != nil {
		return nil, err
	}
	<-served // its error says that it was shut down
	return app, nil
}

// virtualHost turns a bucket in the host into one in the path. The signature is
// over the path as it was sent, which versitygw reads from this context key.
func (g *Gateway) virtualHost(c fiber.Ctx) error {
	bucket := g.bucketOfHost(string(c.Request().Host()))
	if bucket == "" {
		return c.Next()
	}
	uri := c.Request().URI()
	original := string(uri.PathOriginal())
	decoded, err := url.PathUnescape(original)
	if err != nil {
		return c.Next() // refused where paths are decoded
	}
	utils.ContextKey("original-uri-path").Set(c, decoded)
	if original == "/" {
		original = ""
	}
	uri.SetPath("/" + bucket + original)
	return c.Next()
}

// bucketOfHost returns the bucket that a Host header names, "" for none.
func (g *Gateway) bucketOfHost(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, d := range g.cfg.VirtualHostDomains {
		if b, ok := strings.CutSuffix(host, "."+strings.ToLower(d)); ok && disk.CheckBucketName(b) == nil {
			return b
		}
	}
	return ""
}

// ServeHTTP implements http.Handler.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.URL.RawQuery, "AWSAccessKeyId=") {
		upgraded, err := g.upgradeSigV2(r)
		if err != nil {
			g.writeError(w, r, err)
			return
		}
		r = upgraded
	}
	if err := g.refuse(r); err != nil {
		g.writeError(w, r, err)
		return
	}
	g.bridge(w, r)
}
