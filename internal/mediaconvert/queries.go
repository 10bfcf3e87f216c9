package mediaconvert

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
)

// maxMatches bounds the values of all filters of a query together.
const maxMatches = 1000

// startJobsQuery keeps a query in the records. It is carried out when its results
// are asked for, each time anew: they are those of the moment.
func (s *server) startJobsQuery(ctx context.Context, _ *apiserver.Call, in *mc.StartJobsQueryRequest) (*mc.StartJobsQueryResponse, error) {
	if _, err := s.filterOf(in); err != nil {
		return nil, err
	}
	if t := value(in.NextToken); t != "" {
		if _, err := job.CreatedOf(t); err != nil {
			return nil, fault.New(fault.Invalid, CodeBadRequest, "/nextToken: not a token of an earlier answer")
		}
	}
	doc, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("encode jobs query: %w", err)
	}
	id := strings.ToLower(rand.Text())
	if err := s.cfg.Records.PutQuery(ctx, id, s.now(), doc); err != nil {
		return nil, err
	}
	return &mc.StartJobsQueryResponse{Id: &id}, nil
}

func (s *server) getJobsQueryResults(ctx context.Context, _ *apiserver.Call, in *mc.GetJobsQueryResultsRequest) (*mc.GetJobsQueryResultsResponse, error) {
	doc, err := s.cfg.Records.Query(ctx, value(in.Id), s.now())
	if err != nil {
		return nil, err
	}
	var query mc.StartJobsQueryRequest
	if err := json.Unmarshal(doc, &query); err != nil {
		return nil, fmt.Errorf("read jobs query %q: %w", value(in.Id), err)
	}
	f, err := s.filterOf(&query)
	if err != nil {
		return nil, err
	}
	jobs, next, err := s.page(ctx, f, query.MaxResults)
	return &mc.GetJobsQueryResultsResponse{Jobs: jobs, NextToken: next, Status: mc.JobsQueryStatusComplete}, err
}

// filterOf makes the domain's filter of a query: a job is found when any value of
// any filter fits it ("MediaConvert queries jobs using OR logic").
func (s *server) filterOf(in *mc.StartJobsQueryRequest) (job.Filter, error) {
	f := job.Filter{Ascending: in.Order == mc.OrderAscending, After: value(in.NextToken)}
	var found Findings
	for i, filter := range in.FilterList {
		at := fmt.Sprintf("/filterList/%d", i)
		if filter == nil || filter.Key == "" {
			found.fault(at, "key is a required property")
			continue
		}
		if len(filter.Values) == 0 {
			found.fault(at, "values is a required property")
		}
		for j, v := range filter.Values {
			m := job.Match{Label: string(filter.Key), Text: v}
			var allowed []string
			switch filter.Key {
			case mc.JobsQueryFilterKeyQueue:
				m = job.Match{Queue: nameOf("queues", v)}
			case mc.JobsQueryFilterKeyStatus:
				m, allowed = job.Match{Status: job.Status(v)}, mc.JobStatus("").Values()
			case mc.JobsQueryFilterKeyFileinput:
				m.Part = true
			case mc.JobsQueryFilterKeyAudiocodec:
				allowed = mc.AudioCodec("").Values()
			case mc.JobsQueryFilterKeyVideocodec:
				allowed = mc.VideoCodec("").Values()
			}
			if v == "" {
				found.fault(fmt.Sprintf("%s/values/%d", at, j), "Should not be empty")
			} else if allowed != nil && !slices.Contains(allowed, v) {
				found.fault(fmt.Sprintf("%s/values/%d", at, j), "%s is not a valid value: it should be one of %s", v, strings.Join(allowed, ", "))
			}
			f.Any = append(f.Any, m)
		}
	}
	if len(f.Any) > maxMatches {
		found.fault("/filterList", "Should have at most %d values", maxMatches)
	}
	return f, found.Err()
}
