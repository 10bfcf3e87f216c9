package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"time"

	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/event/automation"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/iam"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/logs"
	"vodwright.dev/vodwright/internal/mediaconvert"
	"vodwright.dev/vodwright/internal/object"
	"vodwright.dev/vodwright/internal/object/catalog"
	"vodwright.dev/vodwright/internal/probe"
	"vodwright.dev/vodwright/internal/store"
)

// eventRecords are the records as those see them in whose rooms facts happen:
// each fact that is kept wakes the bus.
type eventRecords struct {
	*store.Store
	bus     atomic.Pointer[event.Bus] // nil until there is one, which then reads from the begin
	changed func(string)              // tells the other servers
}

func (r *eventRecords) wake(feed string, err error) {
	if bus := r.bus.Load(); bus != nil && err == nil {
		bus.Wake(feed)
	}
	if err == nil {
		r.changed(changedWork)
	}
}

// InsertJob implements job.Store.
func (r *eventRecords) InsertJob(ctx context.Context, j job.Job, token *job.Token, errands ...job.Errand) (job.Job, bool, error) {
	stored, fresh, err := r.Store.InsertJob(ctx, j, token, errands...)
	if err == nil {
		r.changed(changedWork)
	}
	return stored, fresh, err
}

// AppendObjectEvents implements event.ObjectLog.
func (r *eventRecords) AppendObjectEvents(ctx context.Context, events []event.ObjectEvent) (int64, error) {
	newest, err := r.Store.AppendObjectEvents(ctx, events)
	r.wake(event.FeedObjects, err)
	return newest, err
}

// ReleaseObjectEvents implements event.ObjectLog; the bus drops them.
func (r *eventRecords) ReleaseObjectEvents(ctx context.Context, position int64) error {
	err := r.Store.ReleaseObjectEvents(ctx, position)
	r.wake(event.FeedObjects, err)
	return err
}

// ChangeObject implements object.Index.
func (r *eventRecords) ChangeObject(ctx context.Context, bucket, key, version string, change func(*catalog.Subject) (*catalog.Change, error)) error {
	err := r.Store.ChangeObject(ctx, bucket, key, version, change)
	r.wake(event.FeedObjects, err)
	return err
}

// CompleteUploadRecord implements object.Index.
func (r *eventRecords) CompleteUploadRecord(ctx context.Context, bucket, key, id string, change func(*catalog.Subject, catalog.Upload, []catalog.Part) (*catalog.Change, error)) (*catalog.Version, error) {
	made, err := r.Store.CompleteUploadRecord(ctx, bucket, key, id, change)
	r.wake(event.FeedObjects, err)
	return made, err
}

// ChangeJob implements job.Store.
func (r *eventRecords) ChangeJob(ctx context.Context, id string, change func(job.Tx, *job.Job) error) (job.Job, error) {
	j, err := r.Store.ChangeJob(ctx, id, change)
	r.wake(event.FeedJobs, err)
	return j, err
}

// AdmitJob implements job.Store.
func (r *eventRecords) AdmitJob(ctx context.Context, queue string, limit int, change func(job.Tx, *job.Job) error) (job.Job, bool, error) {
	j, ok, err := r.Store.AdmitJob(ctx, queue, limit, change)
	r.wake(event.FeedJobs, err)
	return j, ok, err
}

// objectFeed tells what happened to objects.
type objectFeed struct{ records *store.Store }

func (f objectFeed) Facts(ctx context.Context, after int64, limit int) ([]event.Fact, int64, error) {
	events, last, err := f.records.ObjectEvents(ctx, after, limit)
	facts := make([]event.Fact, len(events))
	for i := range events {
		facts[i] = event.Fact{Object: &events[i]}
	}
	return facts, last, err
}

// jobFeed tells what happened to jobs.
type jobFeed struct{ records *store.Store }

func (f jobFeed) Facts(ctx context.Context, after int64, limit int) ([]event.Fact, int64, error) {
	events, last, err := f.records.JobEvents(ctx, after, limit)
	if err != nil {
		return nil, last, err
	}
	var facts []event.Fact
	jobs := map[string]job.Job{} // what an event needs of its job never changes
	for _, e := range events {
		j, ok := jobs[e.Job]
		if !ok {
			if j, err = f.records.Job(ctx, e.Job); fault.Is(err, fault.NotFound) {
				continue
			} else if err != nil {
				return nil, last, err
			}
			jobs[e.Job] = j
		}
		detail, ok := mediaconvert.StateChange(j, e)
		if !ok {
			continue
		}
		facts = append(facts, event.Fact{Subject: "job/" + e.Job, Failure: failureOf(j, e), Event: event.Event{
			ID: event.StableID("job", e.Job, fmt.Sprint(e.Number)), DetailType: mediaconvert.EventDetailType, Source: mediaconvert.EventSource,
			Account: iam.AccountID, Time: e.At, Region: region, Resources: []string{mediaconvert.JobARN(e.Job)}, Detail: detail,
		}})
	}
	return facts, last, nil
}

// failureOf tells of the failure of a job that is marked as an automation's; nil of anything else.
func failureOf(j job.Job, e job.Event) *event.JobFailure {
	if e.Kind != job.EventError {
		return nil
	}
	rule, target, ok := event.ParseJobMark(j.UserMetadata[event.MarkMetadata])
	if !ok {
		return nil
	}
	var told struct {
		ErrorCode    int    `json:"errorCode"`
		ErrorMessage string `json:"errorMessage"`
	}
	_ = json.Unmarshal(e.Detail, &told) // StateChange reads the same
	var request struct {
		Settings struct {
			Inputs []struct {
				FileInput string `json:"fileInput"`
			} `json:"inputs"`
		} `json:"settings"`
	}
	_ = json.Unmarshal(j.Request, &request) // what cannot be read has no name
	out := &event.JobFailure{Rule: rule, TargetID: target, Job: j.ID, Code: fmt.Sprint(told.ErrorCode), Message: told.ErrorMessage}
	if in := request.Settings.Inputs; len(in) > 0 {
		out.Input = in[0].FileInput
	}
	return out
}

// deliveryLogs implements event.Logs over CloudWatch Logs.
type deliveryLogs struct{ logs *logs.Logs }

func (l deliveryLogs) Append(ctx context.Context, group, stream string, lines []event.LogLine) error {
	events := make([]logs.Event, len(lines))
	for i, line := range lines {
		events[i] = logs.Event{Time: line.Time, Message: line.Message}
	}
	return l.logs.Append(ctx, group, stream, events)
}

// deadLetters implements event.DeadLetters over the embedded buckets.
type deadLetters struct{ store *object.Store }

func (d deadLetters) Bury(ctx context.Context, bucket, key string, letter []byte) error {
	_, err := d.store.Put(ctx, bucket, key, object.PutInput{Body: bytes.NewReader(letter), Size: int64(len(letter)), ContentType: "application/json"})
	return err
}

// automationObjects implements what the automation asks of buckets.
type automationObjects struct{ store *object.Store }

func (o automationObjects) Stat(ctx context.Context, bucket, key string) (automation.Object, error) {
	i, err := o.store.Stat(ctx, bucket, key, "")
	if err != nil {
		return automation.Object{}, err
	}
	return automation.Object{VersionID: i.VersionID, Size: i.Size, ETag: unquoted(i.ETag), Job: i.Metadata[jobMetadata]}, nil
}

func unquoted(etag string) string {
	if len(etag) > 1 && etag[0] == '"' {
		return etag[1 : len(etag)-1]
	}
	return etag
}

func (o automationObjects) Open(ctx context.Context, bucket, key string) (automation.File, int64, error) {
	r, i, err := o.store.Open(ctx, bucket, key, "")
	if err != nil {
		return nil, 0, err
	}
	return r, i.Size, nil
}

func (o automationObjects) Snapshot(ctx context.Context, bucket, key, dst string) error {
	_, err := o.store.Snapshot(ctx, bucket, key, "", dst)
	return err
}

// jobsAPI implements automation.API: requests of the job API, signed with the
// role's credentials and answered by its handler, as if they had come from outside.
type jobsAPI struct {
	handler http.Handler
	roles   *roleSessions
	records *store.Store
}

// eventsPrincipal is the service that makes jobs of events.
const eventsPrincipal = "events.amazonaws.com"

func (a jobsAPI) call(ctx context.Context, roleARN, method, path string, body []byte, out any) error {
	answer, err := a.try(ctx, roleARN, method, path, body)
	if fault.Is(err, fault.Denied) { // the role may have been made anew
		a.roles.forget(roleARN, eventsPrincipal)
		answer, err = a.try(ctx, roleARN, method, path, body)
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("decode answer of %s %s: %w", method, path, err)
	}
	return nil
}

func (a jobsAPI) try(ctx context.Context, roleARN, method, path string, body []byte) ([]byte, error) {
	key, err := a.roles.assume(ctx, roleARN, eventsPrincipal, "events")
	if err != nil {
		return nil, err
	}
	inside := &client{endpoint: "http://events.internal", key: key, http: &http.Client{Transport: handlerTransport{a.handler}}}
	answer, _, err := inside.call(ctx, "mediaconvert", method, jobsPath+path, "application/json", body)
	return answer, err
}

func (a jobsAPI) Template(ctx context.Context, roleARN, name string) (automation.Template, error) {
	var answer struct {
		JobTemplate automation.Template `json:"jobTemplate"`
	}
	err := a.call(ctx, roleARN, http.MethodGet, "/jobTemplates/"+url.PathEscape(name), nil, &answer)
	return answer.JobTemplate, err
}

func (a jobsAPI) Create(ctx context.Context, roleARN string, document json.RawMessage) (string, error) {
	var answer struct {
		Job jobAnswer `json:"job"`
	}
	err := a.call(ctx, roleARN, http.MethodPost, "/jobs", document, &answer)
	return answer.Job.ID, err
}

func (a jobsAPI) Find(ctx context.Context, token string, since time.Time) (string, error) {
	for after := ""; ; {
		page, err := a.records.Jobs(ctx, job.Filter{Limit: 100, After: after})
		if err != nil {
			return "", err
		}
		for _, j := range page {
			if j.Created.Before(since) {
				return "", nil
			}
			if j.ClientToken == token {
				return j.ID, nil
			}
		}
		if len(page) == 0 {
			return "", nil
		}
		after = page[len(page)-1].ID
	}
}

// handlerTransport is an http.RoundTripper that asks a handler of this process.
type handlerTransport struct{ handler http.Handler }

func (t handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	in.RequestURI, in.Host, in.RemoteAddr = r.URL.RequestURI(), r.URL.Host, "127.0.0.1:0"
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w := &answerBuffer{header: http.Header{}, status: http.StatusOK}
	t.handler.ServeHTTP(w, in)
	return &http.Response{
		Status: fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: readCloser{bytes.NewReader(w.body.Bytes())}, ContentLength: int64(w.body.Len()), Request: r,
	}, nil
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

type answerBuffer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *answerBuffer) Header() http.Header         { return w.header }
func (w *answerBuffer) WriteHeader(status int)      { w.status = status }
func (w *answerBuffer) Write(p []byte) (int, error) { return w.body.Write(p) }

// newAutomation makes what turns created objects into jobs.
func newAutomation(data string, buckets *object.Store, prober *probe.Prober, api automation.API) *automation.Starter {
	objects := automationObjects{buckets}
	return automation.New(automation.Config{
		Objects: objects, API: api,
		Content: automation.Looker{Files: objects, Prober: prober, Dir: filepath.Join(data, "looks")},
	})
}

// onlyLoopback reports whether nobody but this machine can reach a listener: who
// can have it call webhooks of this machine then could call them themselves.
func onlyLoopback(listeners ...net.Listener) bool {
	for _, l := range listeners {
		if l == nil {
			continue
		}
		at, err := netip.ParseAddrPort(l.Addr().String())
		if err != nil || !at.Addr().Unmap().IsLoopback() {
			return false
		}
	}
	return true
}
