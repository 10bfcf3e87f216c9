package logs

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	wire "vodwright.dev/vodwright/internal/awsapi/logs"
	"vodwright.dev/vodwright/internal/fault"
)

// The service's rules of what is too old and too new to be written.
const (
	oldest  = 14 * 24 * time.Hour
	newest  = 2 * time.Hour
	maxSpan = 24 * time.Hour
)

// The bounds of one answer: so many events, so many bytes of messages, so many
// events looked at for a pattern.
const (
	maxEvents = 10000
	maxBytes  = 1 << 20
	maxLook   = 50000
	lookAt    = 500 // events read from the store at once
)

func (s *server) putLogEvents(ctx context.Context, _ *apiserver.Call, in *wire.PutLogEventsRequest) (*wire.PutLogEventsResponse, error) {
	group, err := s.store.LogGroup(ctx, value(in.LogGroupName))
	if err != nil {
		return nil, err
	}
	size := 0
	for i, e := range in.LogEvents {
		size += len(value(e.Message)) + eventBytes
		if i > 0 && value(e.Timestamp) < value(in.LogEvents[i-1].Timestamp) {
			return nil, invalid("Log events in a single PutLogEvents request must be in chronological order.")
		}
	}
	if size > MaxMessage {
		return nil, invalid("Upload too large: %d bytes exceeds limit of %d", size, MaxMessage)
	}
	first, last := value(in.LogEvents[0].Timestamp), value(in.LogEvents[len(in.LogEvents)-1].Timestamp)
	if last-first > maxSpan.Milliseconds() {
		return nil, invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
	}
	events, rejected := s.admit(group, in.LogEvents)
	if err := s.logs.put(ctx, Batch{Group: group.Name, Stream: value(in.LogStreamName), Events: events}); err != nil {
		return nil, err
	}
	return &wire.PutLogEventsResponse{NextSequenceToken: new(sequenceToken), RejectedLogEventsInfo: rejected}, nil
}

// admit sorts out what is too old or too new. Events are in order of time, so
// that what is left out is at the ends.
func (s *server) admit(group Group, events []*wire.InputLogEvent) ([]Event, *wire.RejectedLogEventsInfo) {
	now := s.now()
	var out []Event
	var rejected wire.RejectedLogEventsInfo
	for i, e := range events {
		at := time.UnixMilli(value(e.Timestamp)).UTC()
		switch {
		case group.RetentionDays > 0 && at.Before(now.AddDate(0, 0, -group.RetentionDays)):
			rejected.ExpiredLogEventEndIndex = new(int32(i + 1))
		case at.Before(now.Add(-oldest)):
			rejected.TooOldLogEventEndIndex = new(int32(i + 1))
		case at.After(now.Add(newest)):
			if rejected.TooNewLogEventStartIndex == nil {
				rejected.TooNewLogEventStartIndex = new(int32(i))
			}
		default:
			out = append(out, Event{Time: at, Message: clean(value(e.Message))})
		}
	}
	if rejected == (wire.RejectedLogEventsInfo{}) {
		return out, nil
	}
	return out, &rejected
}

// token is a place in a list that clients carry back.
type token struct {
	Position
	name string // of streams
}

func (t token) text(kind string) string {
	return fmt.Sprintf("%s/%d/%d/%s", kind, millis(t.Time), t.ID, t.name)
}

func parseToken(s, kind string) (token, error) {
	parts := strings.SplitN(s, "/", 4)
	if len(parts) == 4 && parts[0] == kind {
		ms, err := strconv.ParseInt(parts[1], 10, 64)
		id, err2 := strconv.ParseInt(parts[2], 10, 64)
		if err == nil && err2 == nil {
			return token{Position{time.UnixMilli(ms).UTC(), id}, parts[3]}, nil
		}
	}
	return token{}, invalid("The specified nextToken is invalid.")
}

// window reads the times of a request: from included, until excluded.
func window(start, end *int64) (from, until time.Time) {
	if start != nil {
		from = time.UnixMilli(*start).UTC()
	}
	if end != nil {
		until = time.UnixMilli(*end).UTC()
	}
	return from, until
}

// getLogEvents reads a stream in either way. A page's forward token leads to what
// comes after its last event, the backward token to what is before its first; at
// an end the token that led there comes back.
func (s *server) getLogEvents(ctx context.Context, _ *apiserver.Call, in *wire.GetLogEventsRequest) (*wire.GetLogEventsResponse, error) {
	group, err := groupName(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	q := EventQuery{Group: group, Streams: []string{value(in.LogStreamName)}, Descending: !value(in.StartFromHead), Limit: pageOf(in.Limit, maxEvents)}
	q.From, q.Until = window(in.StartTime, in.EndTime)
	edge := token{}
	if t := in.NextToken; t != nil {
		kind := "f"
		if q.Descending = strings.HasPrefix(*t, "b/"); q.Descending {
			kind = "b"
		}
		if edge, err = parseToken(*t, kind); err != nil {
			return nil, err
		}
		q.Beyond = &edge.Position
	}
	records, err := s.store.LogEvents(ctx, q)
	if err != nil {
		return nil, err
	}
	size := 0
	for i, r := range records { // as many as an answer holds, one at least
		if size += len(r.Message); size > maxBytes && i > 0 {
			records = records[:i]
			break
		}
	}
	if q.Descending { // read backwards, shown forwards
		for i, j := 0, len(records)-1; i < j; i, j = i+1, j-1 {
			records[i], records[j] = records[j], records[i]
		}
	}
	first, last := edge, edge
	if n := len(records); n > 0 {
		first, last = token{Position: positionOf(records[0])}, token{Position: positionOf(records[n-1])}
	}
	out := &wire.GetLogEventsResponse{
		Events: []*wire.OutputLogEvent{}, NextBackwardToken: new(first.text("b")), NextForwardToken: new(last.text("f")),
	}
	for _, r := range records {
		out.Events = append(out.Events, &wire.OutputLogEvent{Message: &r.Message, Timestamp: new(millis(r.Time)), IngestionTime: new(millis(r.Ingested))})
	}
	return out, nil
}

func positionOf(r Record) Position { return Position{r.Time, r.ID} }

func (s *server) filterLogEvents(ctx context.Context, _ *apiserver.Call, in *wire.FilterLogEventsRequest) (*wire.FilterLogEventsResponse, error) {
	group, err := groupName(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	if in.LogStreamNames != nil && in.LogStreamNamePrefix != nil {
		return nil, invalid("logStreamNames and logStreamNamePrefix are mutually exclusive parameters.")
	}
	pattern, err := ParsePattern(value(in.FilterPattern))
	if err != nil {
		return nil, err
	}
	limit := pageOf(in.Limit, maxEvents)
	q := EventQuery{Group: group, Streams: in.LogStreamNames, StreamPrefix: value(in.LogStreamNamePrefix), Limit: min(limit+1, lookAt)}
	q.From, q.Until = window(in.StartTime, in.EndTime)
	if in.NextToken != nil {
		t, err := parseToken(*in.NextToken, "n")
		if err != nil {
			return nil, err
		}
		q.Beyond = &t.Position
	}
	out := &wire.FilterLogEventsResponse{Events: []*wire.FilteredLogEvent{}, SearchedLogStreams: []*wire.SearchedLogStream{}}
	size, looked := 0, 0
	for {
		records, err := s.store.LogEvents(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, r := range records {
			full := len(out.Events) == limit || size > 0 && size+len(r.Message) > maxBytes || looked == maxLook
			if full { // there is something after what was looked at
				out.NextToken = new(token{Position: *q.Beyond}.text("n"))
				return out, nil
			}
			looked++
			q.Beyond = new(positionOf(r))
			if !pattern.Match(r.Message) {
				continue
			}
			size += len(r.Message)
			out.Events = append(out.Events, &wire.FilteredLogEvent{
				EventId: new(fmt.Sprintf("%056d", r.ID)), LogStreamName: &r.Stream, Message: &r.Message,
				Timestamp: new(millis(r.Time)), IngestionTime: new(millis(r.Ingested)),
			})
		}
		if len(records) < q.Limit {
			return out, nil
		}
	}
}

func (s *server) tagsOf(ctx context.Context, group string) (map[string]string, error) {
	if _, err := s.store.LogGroup(ctx, group); err != nil {
		return nil, err
	}
	return s.store.Tags(ctx, TagsOf(group))
}

func (s *server) tag(ctx context.Context, group string, tags map[string]string) error {
	have, err := s.tagsOf(ctx, group)
	if err != nil {
		return err
	}
	for k, v := range tags {
		have[k] = v
	}
	if err := checkTags(have); err != nil {
		return err
	}
	return s.store.SetTags(ctx, TagsOf(group), tags)
}

func (s *server) untag(ctx context.Context, group string, names []string) error {
	if _, err := s.tagsOf(ctx, group); err != nil {
		return err
	}
	return s.store.RemoveTags(ctx, TagsOf(group), names)
}

// checkTags bounds tags as the service does.
func checkTags(tags map[string]string) error {
	if len(tags) > 50 {
		return fault.New(fault.Limit, "TooManyTagsException", "The maximum number of tags that can be applied to a resource is 50.")
	}
	for k, v := range tags {
		if k == "" || len([]rune(k)) > 128 || len([]rune(v)) > 256 || strings.HasPrefix(strings.ToLower(k), "aws:") {
			return invalid("The tag %q is not valid: keys have 1 to 128 characters and do not begin with aws:, values have at most 256.", k)
		}
	}
	return nil
}

func (s *server) listTagsForResource(ctx context.Context, _ *apiserver.Call, in *wire.ListTagsForResourceRequest) (*wire.ListTagsForResourceResponse, error) {
	tags, err := s.tagsOf(ctx, groupOfARN(value(in.ResourceArn)))
	return &wire.ListTagsForResourceResponse{Tags: tags}, err
}

func (s *server) tagResource(ctx context.Context, _ *apiserver.Call, in *wire.TagResourceRequest) (*wire.TagResourceOutput, error) {
	return &wire.TagResourceOutput{}, s.tag(ctx, groupOfARN(value(in.ResourceArn)), in.Tags)
}

func (s *server) untagResource(ctx context.Context, _ *apiserver.Call, in *wire.UntagResourceRequest) (*wire.UntagResourceOutput, error) {
	return &wire.UntagResourceOutput{}, s.untag(ctx, groupOfARN(value(in.ResourceArn)), in.TagKeys)
}

func (s *server) listTagsLogGroup(ctx context.Context, _ *apiserver.Call, in *wire.ListTagsLogGroupRequest) (*wire.ListTagsLogGroupResponse, error) {
	tags, err := s.tagsOf(ctx, value(in.LogGroupName))
	return &wire.ListTagsLogGroupResponse{Tags: tags}, err
}

func (s *server) tagLogGroup(ctx context.Context, _ *apiserver.Call, in *wire.TagLogGroupRequest) (*wire.TagLogGroupOutput, error) {
	return &wire.TagLogGroupOutput{}, s.tag(ctx, value(in.LogGroupName), in.Tags)
}

func (s *server) untagLogGroup(ctx context.Context, _ *apiserver.Call, in *wire.UntagLogGroupRequest) (*wire.UntagLogGroupOutput, error) {
	return &wire.UntagLogGroupOutput{}, s.untag(ctx, value(in.LogGroupName), in.Tags)
}
