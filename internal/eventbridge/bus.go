package eventbridge

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/awsapi"
	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	wire "vodwright.dev/vodwright/internal/awsapi/events"
	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/event/pattern"
	"vodwright.dev/vodwright/internal/fault"
)

// maxEntries bounds the events of a PutEvents together, in bytes, as the service does.
const maxEntries = 256 << 10

func (s *server) putEvents(ctx context.Context, call *apiserver.Call, in *wire.PutEventsInput) (*wire.PutEventsOutput, error) {
	if in.EndpointId != nil {
		return nil, invalid("Parameter EndpointId is not supported by Vodwright.")
	}
	size := 0
	for _, e := range in.Entries {
		if e == nil {
			continue
		}
		size += len(value(e.Detail)) + len(value(e.DetailType)) + len(value(e.Source))
		for _, r := range e.Resources {
			size += len(r)
		}
		if e.Time != nil {
			size += 14
		}
	}
	if size > maxEntries {
		return nil, fault.New(fault.Invalid, codeValidation, "Total size of the entries in the request is over the limit.")
	}
	out := &wire.PutEventsOutput{FailedEntryCount: new(int32(0)), Entries: []*wire.PutEventsResultEntry{}}
	// The events of one lineage together: one commit for almost every request.
	byLineage := map[string][]event.Event{}
	for _, w := range in.Entries {
		e, code, message := s.eventOf(w)
		if code != "" {
			*out.FailedEntryCount++
			out.Entries = append(out.Entries, &wire.PutEventsResultEntry{ErrorCode: &code, ErrorMessage: &message})
			continue
		}
		lineage := value(w.TraceHeader)
		if lineage == "" {
			lineage = call.Request.Header.Get("X-Amzn-Trace-Id")
		}
		byLineage[lineage] = append(byLineage[lineage], e)
		out.Entries = append(out.Entries, &wire.PutEventsResultEntry{EventId: &e.ID})
	}
	for lineage, events := range byLineage {
		if err := s.cfg.Bus.Put(ctx, events, lineage); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// eventOf makes an event of an entry, or says why it is none.
func (s *server) eventOf(w *wire.PutEventsRequestEntry) (e event.Event, code, message string) {
	if w == nil {
		return e, "InvalidArgument", "Entry is empty."
	}
	detail := bytes.TrimSpace([]byte(value(w.Detail)))
	switch {
	case value(w.Source) == "":
		return e, "InvalidArgument", "Parameter Source is not valid. Reason: Source is a required argument."
	case value(w.DetailType) == "":
		return e, "InvalidArgument", "Parameter DetailType is not valid. Reason: DetailType is a required argument."
	case w.Detail == nil:
		return e, "InvalidArgument", "Parameter Detail is not valid. Reason: Detail is a required argument."
	case !json.Valid(detail) || detail[0] != '{':
		return e, "MalformedDetail", "Detail is malformed."
	case strings.HasPrefix(*w.Source, "aws."):
		return e, "NotAuthorizedForSourceException", "Not authorized for the source."
	}
	if err := s.onBus(w.EventBusName); err != nil {
		return e, "ResourceNotFoundException", err.Error()
	}
	e = event.Event{
		ID: event.NewID(), DetailType: *w.DetailType, Source: *w.Source, Account: s.cfg.Account, Time: s.now(),
		Region: s.cfg.Region, Resources: w.Resources, Detail: detail,
	}
	if w.Time != nil {
		e.Time = w.Time.Time
	}
	return e, "", ""
}

func (s *server) testEventPattern(_ context.Context, _ *apiserver.Call, in *wire.TestEventPatternInput) (*wire.TestEventPatternOutput, error) {
	p, err := pattern.Parse(*in.EventPattern)
	if err != nil {
		return nil, err
	}
	e, err := pattern.ParseEvent([]byte(*in.Event))
	if err != nil {
		return nil, invalid("Parameter Event is not valid. Reason: %v", err)
	}
	var envelope map[string]json.RawMessage
	if err := json.Unmarshal([]byte(*in.Event), &envelope); err != nil {
		return nil, invalid("Parameter Event is not valid. Reason: %v", err)
	}
	for _, name := range []string{"id", "account", "source", "time", "region", "resources", "detail-type"} {
		if envelope[name] == nil {
			return nil, invalid("Parameter Event is not valid. Reason: %s is a required member", name)
		}
	}
	return &wire.TestEventPatternOutput{Result: new(p.Match(e))}, nil
}

func (s *server) describeEventBus(_ context.Context, _ *apiserver.Call, in *wire.DescribeEventBusInput) (*wire.DescribeEventBusOutput, error) {
	if err := s.onBus(in.Name); err != nil {
		return nil, err
	}
	return &wire.DescribeEventBusOutput{Name: new(busName), Arn: new(s.arn("event-bus/" + busName))}, nil
}

func (s *server) listEventBuses(_ context.Context, _ *apiserver.Call, in *wire.ListEventBusesInput) (*wire.ListEventBusesOutput, error) {
	out := &wire.ListEventBusesOutput{EventBuses: []*wire.EventBus{}}
	if strings.HasPrefix(busName, value(in.NamePrefix)) && in.NextToken == nil {
		out.EventBuses = append(out.EventBuses, &wire.EventBus{Name: new(busName), Arn: new(s.arn("event-bus/" + busName))})
	}
	return out, nil
}

// tagsOf reads tags of the wire.
func tagsOf(list []*wire.Tag) (map[string]string, error) {
	tags := map[string]string{}
	for _, t := range list {
		if t == nil {
			return nil, invalid("Parameter Tags has an empty item.")
		}
		if strings.HasPrefix(strings.ToLower(*t.Key), "aws:") {
			return nil, invalid("Tag keys must not begin with aws:.")
		}
		tags[*t.Key] = value(t.Value)
	}
	if len(tags) > 50 {
		return nil, invalid("There are more than 50 tags.")
	}
	return tags, nil
}

// taggable returns under which name the tags of an ARN are kept.
func (s *server) taggable(ctx context.Context, arn string) (string, error) {
	resource, ok := strings.CutPrefix(arn, s.arn(""))
	kind, name, _ := strings.Cut(resource, "/")
	switch {
	case ok && kind == "rule":
		name = strings.TrimPrefix(name, busName+"/")
		_, err := s.records.Rule(ctx, name)
		return "rule/" + name, err
	case ok && kind == "event-bus" && name == busName:
		return resource, nil
	}
	return "", fault.New(fault.NotFound, codeNotFound, "Resource %s does not exist.", arn)
}

func (s *server) tagResource(ctx context.Context, _ *apiserver.Call, in *wire.TagResourceInput) (*wire.TagResourceOutput, error) {
	resource, err := s.taggable(ctx, *in.ResourceARN)
	if err != nil {
		return nil, err
	}
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	return &wire.TagResourceOutput{}, s.records.SetTags(ctx, resource, tags)
}

func (s *server) untagResource(ctx context.Context, _ *apiserver.Call, in *wire.UntagResourceInput) (*wire.UntagResourceOutput, error) {
	resource, err := s.taggable(ctx, *in.ResourceARN)
	if err != nil {
		return nil, err
	}
	return &wire.UntagResourceOutput{}, s.records.RemoveTags(ctx, resource, in.TagKeys)
}

func (s *server) listTagsForResource(ctx context.Context, _ *apiserver.Call, in *wire.ListTagsForResourceInput) (*wire.ListTagsForResourceOutput, error) {
	resource, err := s.taggable(ctx, *in.ResourceARN)
	if err != nil {
		return nil, err
	}
	tags, err := s.records.Tags(ctx, resource)
	if err != nil {
		return nil, err
	}
	out := &wire.ListTagsForResourceOutput{Tags: []*wire.Tag{}}
	for _, k := range sortedKeys(tags) {
		out.Tags = append(out.Tags, &wire.Tag{Key: new(k), Value: new(tags[k])})
	}
	return out, nil
}

func stamp(t time.Time) *awsapi.Timestamp { return awsapi.At(t) }
