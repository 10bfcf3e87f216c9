package main

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/fleet"
	"vodwright.dev/vodwright/internal/iam"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/object"
	"vodwright.dev/vodwright/internal/worker"
)

// build names what this program was built from: workers and servers must be of one.
func build() string {
	if version != "dev" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return version + "-" + s.Value[:min(len(s.Value), 12)]
		}
	}
	return version
}

// joinToken returns what workers must have to join: the one that is given, or one
// that is kept in the data folder.
func joinToken(data, given string) (string, error) {
	if given != "" {
		if strings.ContainsAny(given, "@:/ ") {
			return "", fault.New(fault.Invalid, "", "the join token may not contain @, :, / or spaces: it is part of a URL")
		}
		return given, nil
	}
	path := filepath.Join(data, "join-token")
	kept, err := os.ReadFile(path)
	if err == nil && len(kept) > 0 {
		return strings.TrimSpace(string(kept)), nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("read join token: %w", err)
	}
	token := rand.Text()
	return token, os.WriteFile(path, []byte(token+"\n"), 0o600)
}

// linkSecret is what links of workers are signed with.
func linkSecret(root iam.Key) ([]byte, error) {
	return hkdf.Key(sha256.New, []byte(root.Secret), nil, "vodwright worker links", 32)
}

// joinAddress is where workers on other machines reach a listener, as far as this one knows.
func joinAddress(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = hostname()
	}
	return net.JoinHostPort(host, port)
}

// depotFiles implements fleet.Files over those of an external S3.
type depotFiles struct{ *object.Files }

func (f depotFiles) Open(ctx context.Context, name string) (io.ReadSeekCloser, error) {
	r, err := f.Files.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// fleetBuckets implements fleet.Buckets over the buckets and a depot.
type fleetBuckets struct {
	store *object.Store
	roles jobRoles
	depot fleet.Shelf
	door  *fleet.Door

	mu       sync.Mutex
	sessions map[string]*roleObjects // by job
}

// maxSessions bounds how many jobs' sessions are kept: of those at work, and some.
const maxSessions = 1000

// as returns the buckets as a job's role may use them.
func (b *fleetBuckets) as(ctx context.Context, j job.Job) (*roleObjects, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if o := b.sessions[j.ID]; o != nil {
		return o, nil
	}
	o := &roleObjects{bucketObjects: bucketObjects{b.store}, authority: b.roles.authority, role: j.Role, job: j.ID}
	if err := o.renew(ctx); err != nil {
		return nil, fault.New(fault.Denied, "AccessDenied", "the role %q cannot be assumed: %w", j.Role, err)
	}
	if len(b.sessions) >= maxSessions {
		clear(b.sessions)
	}
	b.sessions[j.ID] = o
	return o, nil
}

func (b *fleetBuckets) Source(ctx context.Context, j job.Job, bucket, key, pin string) (fleet.Found, error) {
	o, err := b.as(ctx, j)
	if err == nil {
		err = o.may(ctx, "s3:GetObject", bucket, key)
	}
	if err != nil {
		return fleet.Found{}, err
	}
	info, err := pinned(ctx, b.store, bucket, key, pin)
	if err != nil {
		return fleet.Found{}, err
	}
	return fleet.Found{Pin: pinOf(info), Size: info.Size, Link: b.door.Object(bucket, key, info.VersionID, info.ETag)}, nil
}

func (b *fleetBuckets) Writable(ctx context.Context, j job.Job, bucket, key string) error {
	o, err := b.as(ctx, j)
	if err != nil {
		return err
	}
	return o.Writable(ctx, bucket, key)
}

func (b *fleetBuckets) Publish(ctx context.Context, j job.Job, place string, up worker.Upload) error {
	o, err := b.as(ctx, j)
	if err != nil {
		return err
	}
	file, done, err := b.depot.Take(ctx, j.ID, place)
	if fault.Is(err, fault.NotFound) {
		return fault.New(fault.Unavailable, "", "%w", err) // to be left there again
	}
	if err != nil {
		return err
	}
	defer done()
	up.File = file
	return o.Publish(ctx, up)
}

func (b *fleetBuckets) Object(ctx context.Context, bucket, key string) (fleet.Found, error) {
	info, err := b.store.Stat(ctx, bucket, key, "")
	if err != nil {
		return fleet.Found{}, err
	}
	if info.Metadata[jobMetadata] == "" {
		return fleet.Found{}, fault.New(fault.Denied, "AccessDenied", "no job published s3://%s/%s", bucket, key)
	}
	return fleet.Found{Size: info.Size, Link: b.door.Object(bucket, key, info.VersionID, info.ETag)}, nil
}

func (b *fleetBuckets) Withdraw(ctx context.Context, id, bucket, key string) error {
	return bucketObjects{b.store}.Withdraw(ctx, id, bucket, key)
}

func (b *fleetBuckets) Put(_ context.Context, id, place string, size int64) (fleet.Link, error) {
	return b.door.Put(id, place, size), nil
}

func (b *fleetBuckets) Get(ctx context.Context, id, place string) (fleet.Link, error) {
	there, err := b.depot.Open(ctx, id, place)
	if err != nil {
		return "", err
	}
	return b.door.Get(id, place), there.Close()
}

// openPinned opens an object for a link.
func openPinned(store *object.Store) func(ctx context.Context, bucket, key, version, etag string) (io.ReadSeekCloser, error) {
	return func(ctx context.Context, bucket, key, version, etag string) (io.ReadSeekCloser, error) {
		reader, info, err := store.Open(ctx, bucket, key, version)
		if fault.Is(err, fault.NotFound) {
			return nil, fault.New(fault.Conflict, "", "it was removed: %w", err)
		}
		if err != nil {
			return nil, err
		}
		if info.ETag != etag {
			return nil, errors.Join(fault.New(fault.Conflict, "", "it was overwritten"), reader.Close())
		}
		return reader, nil
	}
}

// openFleet wires what workers on other machines need, where they may join.
func (h *house) openFleet() error {
	if h.depot == nil {
		return nil
	}
	base := strings.TrimSuffix(h.flags.Advertise, "/")
	if base == "" && len(h.flags.Nats) > 0 {
		base = "http://" + joinAddress(h.listener.Addr().String())
	}
	if base == "" && onlyLoopback(h.listener, nil) && !loopbackAddress(h.tasks.Address()) {
		h.log.Warn("workers on other machines will not reach the buckets: they are served on a loopback address", "address", h.listener.Addr().String(), "hint", "serve with --listen 0.0.0.0:8080, or an address of that network")
	}
	h.desk = fleet.NewDesk(fleet.DeskConfig{
		Version: build(), Ledger: h.jobs, Job: h.records.Job, Base: base, Scheme: "http", Port: portOf(h.listener), Several: h.member != nil, Logger: h.log,
		Buckets: &fleetBuckets{store: h.buckets, roles: jobRoles{h.buckets, h.authority}, depot: h.depot, door: h.workDoor, sessions: map[string]*roleObjects{}},
	})
	return nil
}

func loopbackAddress(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}

// sweepDepot removes what workers left of jobs that are over: of uploads that came
// after the job was discarded.
func (h *house) sweepDepot(ctx context.Context) error {
	tick := time.NewTicker(depotSweep)
	defer tick.Stop()
	for {
		ids, err := h.depot.Jobs(ctx, depotSweep)
		for _, id := range ids {
			if err != nil {
				break
			}
			j, e := h.records.Job(ctx, id)
			if e == nil && !j.Status.Final() || e != nil && !fault.Is(e, fault.NotFound) {
				continue
			}
			err = h.depot.Clear(ctx, id)
		}
		if err != nil && ctx.Err() == nil {
			h.log.WarnContext(ctx, "tidy what workers left", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

const depotSweep = time.Minute
