// Package object is the house's buckets and objects.
//
// In: S3 requests of any client (Handler), each decided by the Authority, and
// calls of other rooms (Go API, without signatures: a caller inside the house is
// trusted, and asks Authorise when it acts for somebody). Out: objects, and one
// event for each version that came to be or went. It touches its folder or
// the external S3 and nothing else, and knows nothing of video.
//
// The package is the seam: an engine keeps the bytes and the promises about them, disk
// in a folder, remote in an external S3 with what is known of them in the records;
// gateway speaks S3 over either.
package object

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/object/catalog"
	"vodwright.dev/vodwright/internal/object/gateway"
	"vodwright.dev/vodwright/internal/object/remote"
)

// Credential is what a signature is checked against.
type Credential = gateway.Credential

// Credentials finds access keys. Implementations are safe for concurrent use.
type Credentials = gateway.Credentials

// Config is what a Store is made of.
type Config struct {
	Dir string // absolute; made when missing; on the file system of the jobs' work folders, or snapshots are copies
	// External, when set, keeps the bytes in an external S3, and Index what is known of them
	// and their events; Dir then holds what is on its way.
	External  *External
	Index     Index
	Region    string // of the buckets and of the signatures; "" is us-east-1
	AccountID string // owner of all buckets; "" is 000000000000
	// Root is the access key that may do everything. It is not looked up in
	// Credentials.
	Root Credential
	// Credentials finds every other access key; nil when there is none.
	Credentials Credentials
	// Authority decides every request; without one only the root key may do
	// anything.
	Authority Authority
	// Functions says which functions buckets may notify; nil when there is none.
	Functions Functions
	Events    event.ObjectLog // hears of every new version; nil for nobody
	Logger    *slog.Logger    // nil discards
	// VirtualHostDomains are the domains below which a host names a bucket:
	// with "localhost", media.localhost is the bucket media. Without port.
	VirtualHostDomains []string
}

// Store is the open buckets. It is safe for concurrent use.
type Store struct {
	engine  engine
	gateway *gateway.Gateway
	log     *slog.Logger
}

// Open opens the store and finishes what a killed process left half done. The
// caller runs Run and, after it, Close.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	engine, err := openEngine(ctx, cfg)
	if err != nil {
		return nil, err
	}
	g, err := gateway.New(gateway.Config{
		Engine: engine, Region: cfg.Region, AccountID: cfg.AccountID, Root: cfg.Root,
		Credentials: cfg.Credentials, Authority: cfg.Authority, Functions: cfg.Functions, VirtualHostDomains: cfg.VirtualHostDomains, Logger: cfg.Logger,
	})
	if err != nil {
		return nil, errors.Join(err, engine.Close())
	}
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Store{engine: engine, gateway: g, log: log}, nil
}

// Run delivers events, has lifecycle rules act and tidies up until ctx ends.
// Without it objects are safe, and events wait for the next Run, Close or Open.
func (s *Store) Run(ctx context.Context) error {
	var sweeping sync.WaitGroup
	defer sweeping.Wait()
	sweeping.Go(func() { s.sweeps(ctx) })
	return s.engine.Run(ctx)
}

// Close delivers the last events and closes the folder. It is called after Run
// returned and requests ended.
func (s *Store) Close() error { return s.engine.Close() }

// Ping returns an error while the bytes of objects cannot be reached.
func (s *Store) Ping(ctx context.Context) error { return s.engine.Ping(ctx) }

// Files are files of the house beside the objects in an external S3, which all servers
// reach.
type Files = remote.Files

// Files returns them; nil where the bytes of objects are in a folder.
func (s *Store) Files() *Files {
	if e, ok := s.engine.(remoteEngine); ok {
		return e.Files()
	}
	return nil
}

// Handler returns the S3 protocol: every request that is not another service's.
// Bodies stream both ways; over plain HTTP downloads go by sendfile.
func (s *Store) Handler() http.Handler { return s.gateway }

// Info describes one version of an object.
type Info struct {
	Bucket, Key string
	// VersionID is empty in a bucket that never had versioning.
	VersionID    string
	Size         int64
	ETag         string    // with its quotes, as on the wire
	LastModified time.Time // UTC, to the millisecond
	// As stored with the object; empty when the writer sent none.
	ContentType, ContentEncoding, ContentDisposition, ContentLanguage, CacheControl, Expires string
	Metadata                                                                                 map[string]string // names without x-amz-meta-
}

func (s *Store) info(ctx context.Context, bucket, key string, v catalog.Version) Info {
	i := infoOf(bucket, key, v)
	if v.ID != catalog.NullVersion {
		return i
	}
	if b, err := s.engine.Bucket(ctx, bucket); err == nil && b.Versioning != "" {
		i.VersionID = v.ID
	}
	return i
}

// infoOf is info without the id that a version has where there are others.
func infoOf(bucket, key string, v catalog.Version) Info {
	p := v.Properties
	i := Info{
		Bucket: bucket, Key: key, Size: v.Size, ETag: `"` + v.ETag + `"`, LastModified: v.LastModified(),
		ContentType: p.ContentType, ContentEncoding: p.ContentEncoding, ContentDisposition: p.ContentDisposition,
		ContentLanguage: p.ContentLanguage, CacheControl: p.CacheControl, Expires: p.Expires, Metadata: maps.Clone(p.Metadata),
	}
	if v.ID != catalog.NullVersion {
		i.VersionID = v.ID
	}
	return i
}

// CreateBucket makes a bucket; one that exists is a Conflict, BucketAlreadyOwnedByYou.
func (s *Store) CreateBucket(ctx context.Context, name string) error {
	return s.gateway.CreateBucket(ctx, name)
}

// HeadBucket returns nil when the bucket exists, else NoSuchBucket.
func (s *Store) HeadBucket(ctx context.Context, name string) error {
	_, err := s.engine.Bucket(ctx, name)
	return err
}

// Stat describes a version of a key; version "" is the newest. Errors:
// NoSuchBucket, NoSuchKey, NoSuchVersion, MethodNotAllowed for a delete marker.
func (s *Store) Stat(ctx context.Context, bucket, key, version string) (Info, error) {
	v, err := s.engine.Stat(ctx, bucket, key, version)
	if err != nil {
		return Info{}, err
	}
	return s.info(ctx, bucket, key, v), nil
}

// Reader reads one version's bytes. They stay what they are when the key is
// overwritten or deleted. File returns the *os.File behind it, for sendfile, or
// nil when they are not on this machine, or a fresh multipart upload lies in parts. ReadAt is safe for
// concurrent use, Read and Seek are not.
type Reader = gateway.Reader

// Open opens a version of a key; version "" is the newest. The caller closes the
// Reader. Errors as Stat's.
func (s *Store) Open(ctx context.Context, bucket, key, version string) (Reader, Info, error) {
	r, v, err := s.engine.Open(ctx, bucket, key, version)
	if err != nil {
		return nil, Info{}, err
	}
	return r, s.info(ctx, bucket, key, v), nil
}

// PutInput is an object in the making: Body, or the file at Path.
type PutInput struct {
	Body io.Reader
	// Size is what Body must give, in bytes; 0 with a Body that gives some, or
	// -1, takes what comes.
	Size int64
	// Path is an absolute path of a regular file that is taken: moved away when
	// it is on the store's file system and has no other name, else copied. The
	// caller must not write to it any more.
	Path string

	ContentType, ContentEncoding, ContentDisposition, ContentLanguage, CacheControl, Expires string
	Metadata                                                                                 map[string]string
	// KeepEqual leaves a current version with the same bytes, properties and
	// metadata as it is: no new version, no event.
	KeepEqual bool
	// Lineage is the trace header of what led to this, which the event keeps; may be empty.
	Lineage string
}

// Put stores an object. When it returns, the object is on disk and its event certain.
func (s *Store) Put(ctx context.Context, bucket, key string, in PutInput) (Info, error) {
	if err := catalog.CheckKey(key); err != nil {
		return Info{}, err
	}
	if _, err := s.engine.Bucket(ctx, bucket); err != nil {
		return Info{}, err
	}
	staged, err := s.stage(ctx, in)
	if err != nil {
		return Info{}, fmt.Errorf("put %q in bucket %q: %w", key, bucket, err)
	}
	defer staged.Discard()
	p := catalog.Publish{Bucket: bucket, Key: key, Event: event.ObjectCreatedPut, Request: event.Request{Lineage: in.Lineage}, Properties: catalog.Properties{
		ContentType: in.ContentType, ContentEncoding: in.ContentEncoding, ContentDisposition: in.ContentDisposition,
		ContentLanguage: in.ContentLanguage, CacheControl: in.CacheControl, Expires: in.Expires, Metadata: maps.Clone(in.Metadata),
	}}
	if in.KeepEqual {
		p.Unless = func(next, current *catalog.Version) bool {
			a, b := next.Properties, current.Properties
			return next.Size == current.Size && next.ETag == current.ETag && maps.Equal(a.Metadata, b.Metadata) &&
				a.ContentType == b.ContentType && a.ContentEncoding == b.ContentEncoding && a.ContentDisposition == b.ContentDisposition &&
				a.ContentLanguage == b.ContentLanguage && a.CacheControl == b.CacheControl && a.Expires == b.Expires
		}
	}
	v, err := staged.Publish(ctx, p)
	if err != nil {
		return Info{}, fmt.Errorf("put %q in bucket %q: %w", key, bucket, err)
	}
	return s.info(ctx, bucket, key, v), nil
}

func (s *Store) stage(ctx context.Context, in PutInput) (gateway.Staged, error) {
	if in.Path != "" {
		if in.Body != nil || !filepath.IsAbs(in.Path) {
			return nil, fault.New(fault.Invalid, "InvalidArgument", "take file %q: want an absolute path and no Body", in.Path)
		}
		return s.engine.StageFile(ctx, in.Path)
	}
	staged, err := s.engine.Stage(ctx)
	if err != nil {
		return nil, err
	}
	if in.Body != nil {
		if _, err = io.Copy(staged, in.Body); err == nil && in.Size > 0 && staged.Size() != in.Size {
			err = fault.New(fault.Invalid, "IncompleteBody", "got %d bytes where %d were announced", staged.Size(), in.Size)
		}
	}
	if err != nil {
		staged.Discard()
		return nil, err
	}
	return staged, nil
}

// Delete removes a version for good; with version "" it hides the key behind a
// delete marker, or removes it in a bucket without versioning. What does not
// exist is deleted already.
func (s *Store) Delete(ctx context.Context, bucket, key, version string) error {
	_, err := s.engine.Delete(ctx, event.Request{}, bucket, key, version, nil)
	return err
}

// errNotIt ends a conditional deletion.
var errNotIt = errors.New("not it")

// DeleteIf removes the newest version of a key for good if is says so of it,
// with the key locked; the version before it, if any, is the newest then.
func (s *Store) DeleteIf(ctx context.Context, bucket, key string, is func(Info) bool) (deleted bool, err error) {
	v, err := s.engine.Stat(ctx, bucket, key, "")
	if fault.KindOf(err) == fault.NotFound && err != nil {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, err = s.engine.Delete(ctx, event.Request{}, bucket, key, v.ID, func(now *catalog.Version) error {
		if now.Sequence != v.Sequence || !is(infoOf(bucket, key, *now)) {
			return errNotIt
		}
		deleted = true
		return nil
	})
	if errors.Is(err, errNotIt) {
		return false, nil
	}
	return deleted && err == nil, err
}

// ListInput selects a page of a list: keys that begin with Prefix and are
// greater than After, rolled up at Delimiter, at most Max of them (0: 1000).
type ListInput struct {
	Prefix, Delimiter, After string
	Max                      int
}

// ListPage is one page, in byte order of keys. After is the input of the next
// page, empty on the last.
type ListPage struct {
	Objects        []Info
	CommonPrefixes []string
	After          string
}

// List returns the newest versions of a bucket's keys.
func (s *Store) List(ctx context.Context, bucket string, in ListInput) (ListPage, error) {
	if in.Max == 0 {
		in.Max = 1000
	}
	page, err := s.engine.List(ctx, bucket, catalog.ListInput{Prefix: in.Prefix, Delimiter: in.Delimiter, After: in.After, Max: in.Max})
	if err != nil {
		return ListPage{}, fmt.Errorf("list bucket %q: %w", bucket, err)
	}
	out := ListPage{CommonPrefixes: page.CommonPrefixes}
	versioned := false
	if len(page.Items) > 0 {
		b, err := s.engine.Bucket(ctx, bucket)
		if err != nil {
			return ListPage{}, fmt.Errorf("list bucket %q: %w", bucket, err)
		}
		versioned = b.Versioning != ""
	}
	for _, l := range page.Items {
		i := infoOf(bucket, l.Key, l.Version)
		if versioned {
			i.VersionID = l.Version.ID
		}
		out.Objects = append(out.Objects, i)
	}
	if page.More {
		out.After = page.After
	}
	return out, nil
}

// CORSRule is one rule of a bucket's CORS configuration. Source: S3 API, CORSRule.
type CORSRule struct {
	AllowedOrigins []string `xml:"AllowedOrigin"`
	AllowedMethods []string `xml:"AllowedMethod"`
	AllowedHeaders []string `xml:"AllowedHeader"`
	ExposeHeaders  []string `xml:"ExposeHeader"`
	MaxAgeSeconds  int      `xml:"MaxAgeSeconds,omitempty"` // 0: not sent
}

// CORS returns the bucket's rules in order, none when it has no configuration.
func (s *Store) CORS(ctx context.Context, bucket string) ([]CORSRule, error) {
	b, err := s.engine.Bucket(ctx, bucket)
	if err != nil {
		return nil, err
	}
	var doc struct {
		Rules []CORSRule `xml:"CORSRule"`
	}
	if raw := b.Documents[gateway.DocumentCORS]; len(raw) > 0 {
		if err := xml.Unmarshal(raw, &doc); err != nil {
			return nil, fmt.Errorf("read CORS configuration of %q: %w", bucket, err)
		}
	}
	return doc.Rules, nil
}

// Snapshot makes dst, an absolute path that must not exist, a file with the bytes
// of a version ("" is the newest) and describes it. Later writes and deletions
// never change the file. It is a hard link where the file system allows it: the
// caller may remove it and must not write to it.
func (s *Store) Snapshot(ctx context.Context, bucket, key, version, dst string) (Info, error) {
	v, err := s.engine.Snapshot(ctx, bucket, key, version, dst)
	if err != nil {
		return Info{}, err
	}
	return s.info(ctx, bucket, key, v), nil
}
