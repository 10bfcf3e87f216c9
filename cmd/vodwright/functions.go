package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	"vodwright.dev/vodwright/internal/awsapi/sigv4"
	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/function"
	"vodwright.dev/vodwright/internal/function/code"
	"vodwright.dev/vodwright/internal/function/execution"
	"vodwright.dev/vodwright/internal/iam"
	"vodwright.dev/vodwright/internal/logs"
	"vodwright.dev/vodwright/internal/object"
	iampolicy "vodwright.dev/vodwright/internal/policy"
	"vodwright.dev/vodwright/internal/store"
)

// functionRooms are what functions need of the house.
type functionRooms struct {
	data        string // the data folder
	endpoint    string // that functions reach the house by
	unsandboxed bool
	records     *store.Store
	queue       function.Queue
	files       code.Files       // nil where there is one server
	running     function.Running // likewise
	journal     *logs.Logs
	authority   *iam.Authority
	buckets     *object.Store
	bus         *atomic.Pointer[event.Bus] // which exists after the functions do
	log         *slog.Logger
}

// openFunctions wires the functions and what runs them.
func openFunctions(r functionRooms) (*function.Functions, *execution.Host, error) {
	dir := filepath.Join(r.data, "functions")
	packages, err := code.Open(dir, r.files)
	if err != nil {
		return nil, nil, err
	}
	journal := functionLogs{r.journal}
	host, err := execution.New(execution.Config{
		Dir: filepath.Join(dir, "execution"), Endpoint: r.endpoint, Region: region, Roles: functionRoles{r.authority}, Logs: journal,
		Unsandboxed: r.unsandboxed, Logger: r.log,
	})
	if err != nil {
		return nil, nil, err
	}
	return function.New(function.Config{
		Records: r.records, Queue: r.queue, Code: packages, Host: host, Policies: functionPolicies{r.authority}, Targets: functionTargets{r.authority, r.buckets, r.bus},
		Running: r.running, Logs: journal, Account: iam.AccountID, Region: region, Logger: r.log,
	}), host, nil
}

// loopback is where this machine reaches a listener: a listener on every address
// is reached on the loopback.
func loopback(l net.Listener) string {
	a, ok := l.Addr().(*net.TCPAddr)
	if ok && a.IP.IsUnspecified() {
		return "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(a.Port))
	}
	return "http://" + l.Addr().String()
}

// functionLogs implements execution.Logs.
type functionLogs struct{ journal *logs.Logs }

func (f functionLogs) Append(ctx context.Context, group, stream string, events []execution.LogEvent) error {
	out := make([]logs.Event, len(events))
	for i, e := range events {
		out[i] = logs.Event(e)
	}
	return f.journal.Append(ctx, group, stream, out)
}

// lambdaService is who assumes the roles of functions.
const lambdaService = "lambda.amazonaws.com"

// functionSession is how long the credentials of an environment are good, if the
// role allows; the environment ends before.
const functionSession = 12 * time.Hour

// functionRoles implements execution.Roles.
type functionRoles struct{ authority *iam.Authority }

func (f functionRoles) Credentials(ctx context.Context, role, session string) (execution.Credentials, error) {
	s, err := f.authority.AssumeForService(ctx, role, lambdaService, session, functionSession)
	if err != nil {
		return execution.Credentials{}, fault.New(fault.Denied, "AccessDeniedException", "The role defined for the function cannot be assumed by Lambda: %w", err)
	}
	return execution.Credentials{AccessKeyID: s.AccessKeyID, SecretAccessKey: s.SecretAccessKey, SessionToken: s.SessionToken, Expires: s.Expires}, nil
}

// passRole is what a function's role is asked for.
func (f functionRoles) passRole(ctx context.Context, who sigv4.Identity, role string) error {
	err := f.authority.PassRole(ctx, who, role, lambdaService)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, iam.ErrUntrusted) || fault.Is(err, fault.NotFound):
		return fault.New(fault.Invalid, "", "%w", err)
	case fault.Is(err, fault.Denied):
		return fault.New(fault.Denied, "AccessDeniedException", "%w", err)
	}
	return err
}

// functionPolicies implements function.Policies.
type functionPolicies struct{ authority *iam.Authority }

func (f functionPolicies) Permits(ctx context.Context, service, action, resource string, keys map[string][]string, document []byte) error {
	doc, err := iampolicy.Parse(string(document), iampolicy.Resource)
	if err != nil {
		return err
	}
	return f.authority.Decide(ctx, iam.Question{Service: service, Action: action, Resource: resource, Keys: keys, ResourcePolicy: doc})
}

// decide is lambda.Config's Decide.
func (f functionPolicies) decide(ctx context.Context, who sigv4.Identity, r *http.Request, a apiserver.Access, document []byte) error {
	doc, err := iampolicy.Parse(string(document), iampolicy.Resource)
	if err != nil {
		return err
	}
	return f.authority.Decide(ctx, iam.Question{Who: who, Request: r, Action: a.Action, Resource: a.Resource, Keys: a.Keys, ResourcePolicy: doc})
}

// functionTargets implements function.Targets: with the rights of the function's role.
type functionTargets struct {
	authority *iam.Authority
	buckets   *object.Store
	bus       *atomic.Pointer[event.Bus]
}

func (f functionTargets) as(ctx context.Context, role string) (sigv4.Identity, error) {
	s, err := f.authority.AssumeForService(ctx, role, lambdaService, "awslambda", 0)
	return s.Identity(), err
}

func (f functionTargets) MayInvoke(ctx context.Context, role, functionARN string) error {
	who, err := f.as(ctx, role)
	if err != nil {
		return err
	}
	return f.authority.Decide(ctx, iam.Question{Who: who, Action: "lambda:InvokeFunction", Resource: functionARN})
}

func (f functionTargets) PutObject(ctx context.Context, role, bucket, key string, body []byte, lineage string) error {
	who, err := f.as(ctx, role)
	if err != nil {
		return err
	}
	if err := f.buckets.Authorise(ctx, who, "s3:PutObject", bucket, key); err != nil {
		return err
	}
	_, err = f.buckets.Put(ctx, bucket, key, object.PutInput{Body: bytes.NewReader(body), Size: int64(len(body)), ContentType: "application/json", Lineage: lineage})
	return err
}

func (f functionTargets) PutEvent(ctx context.Context, role string, e function.BusEvent) error {
	bus := f.bus.Load()
	if bus == nil {
		return fault.New(fault.Unavailable, "", "the event bus does not run yet")
	}
	if e.Bus != "default" {
		return fault.New(fault.NotFound, "ResourceNotFoundException", "the event bus %q does not exist", e.Bus)
	}
	who, err := f.as(ctx, role)
	if err != nil {
		return err
	}
	arn := "arn:aws:events:" + region + ":" + iam.AccountID + ":event-bus/" + e.Bus
	if err := f.authority.Decide(ctx, iam.Question{Who: who, Action: "events:PutEvents", Resource: arn}); err != nil {
		return err
	}
	return bus.Put(ctx, []event.Event{{
		ID: e.ID, DetailType: e.DetailType, Source: e.Source, Account: iam.AccountID, Time: time.Now().UTC(), Region: region, Resources: e.Resources, Detail: e.Detail,
	}}, e.Lineage)
}

// functionPackages implements lambda.Buckets.
type functionPackages struct{ buckets *object.Store }

func (f functionPackages) OpenObject(ctx context.Context, who sigv4.Identity, bucket, key, version string) (io.ReadCloser, error) {
	action := "s3:GetObject"
	if version != "" {
		action = "s3:GetObjectVersion"
	}
	if err := f.buckets.Authorise(ctx, who, action, bucket, key); err != nil {
		return nil, err
	}
	r, _, err := f.buckets.Open(ctx, bucket, key, version)
	return r, err
}

// notifiedFunctions implements object.Functions.
type notifiedFunctions struct{ *function.Functions }

// below serves one path's requests by a handler of its own.
func below(path string, handler, rest http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(path, handler)
	mux.Handle("/", rest)
	return mux
}
