// Package gateway speaks S3 over the buckets of an Engine.
//
// In: HTTP requests. Out: S3's answers. The protocol itself (SigV4, aws-chunked
// bodies, checksums, XML, CORS, POST forms) is versitygw's; what a bucket and an
// object is, is the engine's. Ours are the table of operations, which tells what a
// request is and what it needs to be allowed, and the decision, which an Authority
// takes: versitygw's own policies and ACLs decide nothing. Between the two stand
// the back end (an adapter: S3's shapes to the catalog's), the bridge (net/http to the
// fasthttp that versitygw is written for) and what versitygw lacks: SigV2
// presigned URLs, several virtual-host domains, encoding-type, and most of a
// bucket's configuration.
//
// This is the only package that knows versitygw; its version is pinned, its Go
// API is not stable. It keeps no state of its own.
package gateway

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/valyala/fasthttp"
	"github.com/versity/versitygw/s3api/controllers"

	"vodwright.dev/vodwright/internal/object/catalog"
)

// Credential is an access key and what it stands for.
type Credential struct {
	AccessKeyID, SecretAccessKey string
	// SessionToken must come with each request when set.
	SessionToken string
	// Expires is when a session ends; zero never.
	Expires time.Time
	// PrincipalARN is how policies name the holder.
	PrincipalARN string
}

// Credentials finds access keys. Implementations are safe for concurrent use.
type Credentials interface {
	// Credential returns the key with that id; found is false when there is none.
	Credential(ctx context.Context, accessKeyID string) (c Credential, found bool, err error)
}

// Config is what a Gateway is made of.
type Config struct {
	Engine             Engine
	Region             string // "" is us-east-1
	AccountID          string // "" is 000000000000
	Root               Credential
	Credentials        Credentials // nil: the root key alone
	Authority          Authority   // nil: only the root key may do anything
	Functions          Functions   // nil: no function can be notified
	VirtualHostDomains []string
	Logger             *slog.Logger // nil discards
}

// Gateway answers S3 requests. It is safe for concurrent use.
type Gateway struct {
	cfg      Config
	log      *slog.Logger
	iam      *identities
	back     *backEnd
	handle   fasthttp.RequestHandler
	contexts sync.Pool // of *fasthttp.RequestCtx
	policies sync.Map  // of *parsed, by bucket

	operations                                           map[route]*operation
	listObjectsV2, copyObject, uploadPartCopy, preflight operation

	verify, verifyPresigned, anonymous map[bool]fiber.Handler // by whether the body is a stream
	verifyAnyRegion, verifyForm, cors  fiber.Handler
}

const (
	maxRequests = 1024 // in flight; more are answered SlowDown
	maxParts    = 10000
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
	g.back = &backEnd{engine: cfg.Engine, account: cfg.AccountID, region: cfg.Region, log: g.log}
	g.route(controllers.New(g.back, g.iam, nil, nil, nil, false, false, "", maxParts))
	g.verifiers()
	g.handle = g.app().Handler()
	return g, nil
}

// bucketOfHost returns the bucket that a Host header names, "" for none.
func (g *Gateway) bucketOfHost(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, d := range g.cfg.VirtualHostDomains {
		if b, ok := strings.CutSuffix(host, "."+strings.ToLower(d)); ok && catalog.CheckBucketName(b) == nil {
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
