package mediaconvert

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
	"vodwright.dev/vodwright/internal/job"
)

// searchPage is how many jobs a search reads at once, searchMost how many it
// looks at for one answer: an answer may be short, or empty, and have a token.
const (
	searchPage = 100
	searchMost = 2000
)

// searchJobs lists jobs whose input file's URL contains a text, newest first.
func (s *server) searchJobs(ctx context.Context, _ *apiserver.Call, in *mc.SearchJobsRequest) (*mc.SearchJobsResponse, error) {
	f := job.Filter{Status: job.Status(in.Status), Ascending: in.Order == mc.OrderAscending, After: value(in.NextToken), Limit: searchPage}
	if in.Queue != nil {
		q, err := s.queue(ctx, nameOf("queues", *in.Queue))
		if err != nil {
			return nil, err
		}
		f.Queue = q.Name
	}
	limit, text := int(cmp.Or(value(in.MaxResults), defaultPage)), value(in.InputFile)
	out := &mc.SearchJobsResponse{Jobs: []*mc.Job{}}
	for looked := 0; ; {
		jobs, err := s.cfg.Jobs.List(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, j := range jobs {
			if len(out.Jobs) == limit || looked == searchMost {
				out.NextToken = &f.After
				return out, nil
			}
			looked++
			f.After = j.ID
			has, err := hasInput(j, text)
			if err != nil {
				return nil, err
			}
			if !has {
				continue
			}
			w, err := s.wireJob(j)
			if err != nil {
				return nil, err
			}
			out.Jobs = append(out.Jobs, w)
		}
		if len(jobs) < f.Limit {
			return out, nil
		}
	}
}

// hasInput reports whether the URL of one of a job's inputs contains text.
func hasInput(j job.Job, text string) (bool, error) {
	if text == "" {
		return true, nil
	}
	var request struct {
		Settings struct {
			Inputs []struct {
				FileInput string `json:"fileInput"`
			} `json:"inputs"`
		} `json:"settings"`
	}
	if err := json.Unmarshal(j.Request, &request); err != nil {
		return false, fmt.Errorf("read request of job %q: %w", j.ID, err)
	}
	for _, i := range request.Settings.Inputs {
		if strings.Contains(i.FileInput, text) {
			return true, nil
		}
	}
	return false, nil
}

// engineVersion is the one job engine there is, named by the version of the API.
const engineVersion = "2017-08-29"

func (s *server) listVersions(context.Context, *apiserver.Call, *mc.ListVersionsRequest) (*mc.ListVersionsResponse, error) {
	return &mc.ListVersionsResponse{Versions: []*mc.JobEngineVersion{{Version: new(engineVersion)}}}, nil
}

// inputPolicy is the setting that holds which inputs jobs may have.
const inputPolicy = "mediaconvert/policy"

func (s *server) policy(ctx context.Context) (*mc.Policy, error) {
	out := &mc.Policy{HttpInputs: mc.InputPolicyAllowed, HttpsInputs: mc.InputPolicyAllowed, S3Inputs: mc.InputPolicyAllowed}
	doc, err := s.cfg.Records.Setting(ctx, inputPolicy)
	if err != nil || doc == nil {
		return out, err
	}
	if err := json.Unmarshal(doc, out); err != nil {
		return nil, fmt.Errorf("read input policy: %w", err)
	}
	return out, nil
}

func (s *server) getPolicy(ctx context.Context, _ *apiserver.Call, _ *mc.GetPolicyRequest) (*mc.GetPolicyResponse, error) {
	p, err := s.policy(ctx)
	return &mc.GetPolicyResponse{Policy: p}, err
}

func (s *server) putPolicy(ctx context.Context, _ *apiserver.Call, in *mc.PutPolicyRequest) (*mc.PutPolicyResponse, error) {
	doc, err := json.Marshal(in.Policy)
	if err != nil {
		return nil, fmt.Errorf("encode input policy: %w", err)
	}
	if err := s.cfg.Records.PutSetting(ctx, inputPolicy, doc); err != nil {
		return nil, err
	}
	p, err := s.policy(ctx)
	return &mc.PutPolicyResponse{Policy: p}, err
}

func (s *server) deletePolicy(ctx context.Context, _ *apiserver.Call, _ *mc.DeletePolicyRequest) (*mc.DeletePolicyResponse, error) {
	return &mc.DeletePolicyResponse{}, s.cfg.Records.PutSetting(ctx, inputPolicy, nil)
}

// checkPolicy reports inputs of a kind that the input policy does not allow.
func (s *server) checkPolicy(ctx context.Context, settings *mc.JobSettings, found *Findings) error {
	p, err := s.policy(ctx)
	if err != nil {
		return err
	}
	for i, in := range settings.Inputs {
		if in == nil || in.FileInput == nil {
			continue
		}
		scheme, _, _ := strings.Cut(*in.FileInput, "://")
		allowed := map[string]mc.InputPolicy{"http": p.HttpInputs, "https": p.HttpsInputs, "s3": p.S3Inputs}[strings.ToLower(scheme)]
		if allowed == mc.InputPolicyDisallowed {
			found.fault(fmt.Sprintf("/inputs/%d/fileInput", i), "%s inputs are not allowed by the policy of this account", strings.ToLower(scheme))
		}
	}
	return nil
}
