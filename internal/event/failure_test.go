package event_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/event"
)

// failedJobs is a feed of failures of jobs.
type failedJobs []event.JobFailure

func (f failedJobs) Facts(_ context.Context, after int64, limit int) ([]event.Fact, int64, error) {
	var facts []event.Fact
	at := after
	for ; at < int64(len(f)) && len(facts) < limit; at++ {
		facts = append(facts, event.Fact{Subject: "job/" + f[at].Job, Failure: &f[at], Event: event.Event{
			ID: event.StableID(f[at].Job), Source: "aws.mediaconvert", DetailType: "MediaConvert Job State Change", Detail: []byte(`{}`),
		}})
	}
	return facts, at, nil
}

// fullDisk is a log that does not take its first line.
type fullDisk struct {
	lines
	failed bool
}

func (l *fullDisk) Append(ctx context.Context, group, stream string, list []event.LogLine) error {
	l.mu.Lock()
	first := !l.failed
	l.failed = true
	l.mu.Unlock()
	if first {
		return errors.New("the disk is full")
	}
	return l.lines.Append(ctx, group, stream, list)
}

// TestFailedJobsAreInTheLogOfTheirRule stops the bus before and after each of its
// calls of the store and lets another go on: the log tells of each failed job of a
// target at least once, and of nobody else's.
func TestFailedJobsAreInTheLogOfTheirRule(t *testing.T) {
	facts := failedJobs{
		{Rule: "auto", TargetID: "job", Job: "1-a", Input: "s3://in/a b.mp4", Code: "1404", Message: "there is no such object"},
		{Rule: "none", TargetID: "job", Job: "2-b"}, // marked by somebody
		{Rule: "auto", TargetID: "hook", Job: "3-c"},
		{Rule: "auto", TargetID: "job", Job: "4-d", Code: "1010", Message: "broken"},
	}
	for _, after := range []bool{false, true} {
		for step, done := 1, false; !done; step++ {
			s := openStore(t, filepath.Join(t.TempDir(), "records.db"))
			rule(t, s, "auto", `{"source":["aws.s3"]}`,
				event.Target{ID: "hook", ARN: function("f")}, event.Target{ID: "job", ARN: "arn:aws:mediaconvert:us-east-1:000000000000:jobTemplates/t"})
			log := &fullDisk{}
			told := func() bool {
				text := strings.Join(log.list(), "\n")
				return strings.Contains(text, `"job":"1-a"`) && strings.Contains(text, `"job":"4-d"`)
			}
			cfg := event.Config{Feeds: map[string]event.Feed{event.FeedJobs: facts}, Logs: log}
			ctx, kill := context.WithCancel(t.Context())
			cfg.Store = &stopper{Store: s, left: step, after: after, kill: kill}
			_, end := run(t, ctx, cfg)
			eventually(t, "it ends, or all is told", func() bool { return ctx.Err() != nil || told() && delivered(t, s)() })
			done = ctx.Err() == nil
			end()
			kill()
			cfg.Store = s
			_, end = run(t, t.Context(), cfg)
			eventually(t, "the next one tells the rest", func() bool { return told() && delivered(t, s)() })
			end()
			for _, l := range log.list() {
				if !strings.HasPrefix(l, `/vodwright/events/auto job {"outcome":"JOB_FAILED"`) || strings.Contains(l, "2-b") || strings.Contains(l, "3-c") {
					t.Errorf("step %d: the log tells %s", step, l)
				}
			}
			if l := log.list(); !strings.Contains(strings.Join(l, "\n"), `"subject":"s3://in/a b.mp4","target":"arn:aws:mediaconvert:us-east-1:000000000000:jobTemplates/t"`) ||
				!strings.Contains(strings.Join(l, "\n"), `"job":"1-a","code":"1404","error":"there is no such object"`) {
				t.Errorf("the log tells %q", l)
			}
			if done && step < 4 {
				t.Errorf("only %d steps: the test looks at too little", step)
			}
			s.Close()
			if t.Failed() {
				return
			}
		}
	}
}

func TestJobMarks(t *testing.T) {
	if rule, target, ok := event.ParseJobMark(event.JobMark("a.b", "c-d")); rule != "a.b" || target != "c-d" || !ok {
		t.Error(rule, target, ok)
	}
	for _, mark := range []string{"", "a", "a/", "/a", "a/b/c"} {
		if _, _, ok := event.ParseJobMark(mark); ok {
			t.Errorf("%q is a mark", mark)
		}
	}
}
