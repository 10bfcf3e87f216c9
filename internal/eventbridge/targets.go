package eventbridge

import (
	"context"
	"maps"
	"strings"
	"time"

	wire "vodwright.dev/vodwright/internal/awsapi/events"
	"vodwright.dev/vodwright/internal/event"
)

// targetOf reads a target of the wire, or says what of it is not served.
func (s *server) targetOf(ctx context.Context, w *wire.Target) (event.Target, error) {
	if w == nil {
		return event.Target{}, invalid("Parameter Targets has an empty item.")
	}
	t := event.Target{
		ID: *w.Id, ARN: *w.Arn, RoleARN: value(w.RoleArn), Input: value(w.Input), InputPath: value(w.InputPath),
	}
	for name, given := range map[string]bool{
		"AppSyncParameters": w.AppSyncParameters != nil, "BatchParameters": w.BatchParameters != nil, "EcsParameters": w.EcsParameters != nil,
		"KinesisParameters": w.KinesisParameters != nil, "RedshiftDataParameters": w.RedshiftDataParameters != nil,
		"RunCommandParameters": w.RunCommandParameters != nil, "SageMakerPipelineParameters": w.SageMakerPipelineParameters != nil,
		"SqsParameters": w.SqsParameters != nil,
	} {
		if given {
			return t, invalid("Parameter %s of target %s is not supported by Vodwright.", name, t.ID)
		}
	}
	if i := w.InputTransformer; i != nil {
		t.Transformer = &event.Transformer{Paths: i.InputPathsMap, Template: *i.InputTemplate}
	}
	if r := w.RetryPolicy; r != nil {
		if r.MaximumRetryAttempts != nil {
			t.Retry.MaxAttempts = new(int(*r.MaximumRetryAttempts))
		}
		if r.MaximumEventAgeInSeconds != nil {
			t.Retry.MaxAge = new(time.Duration(*r.MaximumEventAgeInSeconds) * time.Second)
		}
	}
	if d := w.DeadLetterConfig; d != nil && value(d.Arn) != "" {
		t.DeadLetterARN = *d.Arn
		switch kind := event.KindOf(t.DeadLetterARN); {
		case strings.HasPrefix(t.DeadLetterARN, "arn:aws:sqs:"):
			return t, invalid("Provided Arn in DeadLetterConfig of target %s is of an SQS queue, which Vodwright has not: give the ARN of a bucket (arn:aws:s3:::NAME, or with /PREFIX) or of a function.", t.ID)
		case kind != event.Bucket && kind != event.Function:
			return t, invalid("Provided Arn in DeadLetterConfig of target %s is neither of a bucket nor of a function.", t.ID)
		}
	}
	kind := event.KindOf(t.ARN)
	if h := w.HttpParameters; h != nil {
		if kind != event.APIDestination {
			return t, invalid("Parameter HttpParameters of target %s is for API destinations.", t.ID)
		}
		t.HTTP = &event.HTTPPart{Path: h.PathParameterValues, Header: maps.Clone(h.HeaderParameters), Query: maps.Clone(h.QueryStringParameters)}
	}
	if err := t.Check(); err != nil {
		return t, err
	}
	switch kind {
	case event.Function:
	case event.APIDestination:
		if _, err := s.destinationByARN(ctx, t.ARN); err != nil {
			return t, err
		}
	case event.JobTemplate:
		if t.InputPath != "" || t.Transformer != nil {
			return t, invalid("Target %s is a job template, which takes an Input and neither InputPath nor InputTransformer.", t.ID)
		}
		if _, err := event.ParseJobInput([]byte(t.Input)); err != nil {
			return t, invalid("Input of target %s: %v", t.ID, err)
		}
		if t.RoleARN == "" {
			return t, invalid("RoleArn is required for target %s.", t.ID)
		}
	default:
		return t, invalid("Provided Arn of target %s is of no kind that Vodwright delivers to: functions, API destinations, job templates.", t.ID)
	}
	return t, nil
}

// wireTarget is a target as the API shows it.
func wireTarget(t event.Target) *wire.Target {
	w := &wire.Target{Id: &t.ID, Arn: &t.ARN, RoleArn: optional(t.RoleARN), Input: optional(t.Input), InputPath: optional(t.InputPath)}
	if tr := t.Transformer; tr != nil {
		w.InputTransformer = &wire.InputTransformer{InputPathsMap: tr.Paths, InputTemplate: &tr.Template}
	}
	if r := t.Retry; r.MaxAttempts != nil || r.MaxAge != nil {
		w.RetryPolicy = &wire.RetryPolicy{}
		if r.MaxAttempts != nil {
			w.RetryPolicy.MaximumRetryAttempts = new(int32(*r.MaxAttempts))
		}
		if r.MaxAge != nil {
			w.RetryPolicy.MaximumEventAgeInSeconds = new(int32(r.MaxAge.Seconds()))
		}
	}
	if t.DeadLetterARN != "" {
		w.DeadLetterConfig = &wire.DeadLetterConfig{Arn: &t.DeadLetterARN}
	}
	if h := t.HTTP; h != nil {
		w.HttpParameters = &wire.HttpParameters{PathParameterValues: h.Path, HeaderParameters: h.Header, QueryStringParameters: h.Query}
	}
	return w
}
