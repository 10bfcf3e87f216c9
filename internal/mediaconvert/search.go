package mediaconvert

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
)

// longestFile is how long SearchJobs' input file may be, as the service has it.
const longestFile = 300

// searchJobs lists jobs whose input file's URL contains a text, newest first.
func (s *server) searchJobs(ctx context.Context, _ *apiserver.Call, in *mc.SearchJobsRequest) (*mc.SearchJobsResponse, error) {
	f := job.Filter{Status: job.Status(in.Status), Ascending: in.Order == mc.OrderAscending, After: value(in.NextToken)}
	if in.Queue != nil {
		q, err := s.queue(ctx, nameOf("queues", *in.Queue))
		if err != nil {
			return nil, err
		}
		f.Queue = q.Name
	}
	if text := value(in.InputFile); text != "" {
		if len([]rune(text)) > longestFile {
			return nil, fault.New(fault.Invalid, CodeBadRequest, "/inputFile: Should be at most %d characters long", longestFile)
		}
		f.Any = []job.Match{{Label: string(mc.JobsQueryFilterKeyFileinput), Text: text, Part: true}}
	}
	jobs, next, err := s.page(ctx, f, in.MaxResults)
	return &mc.SearchJobsResponse{Jobs: jobs, NextToken: next}, err
}

// labels are what a job is found by, under the keys of jobs queries.
func labels(in *mc.CreateJobRequest) map[string][]string {
	out := map[string][]string{}
	add := func(key mc.JobsQueryFilterKey, v string) {
		if v != "" && !slices.Contains(out[string(key)], v) {
			out[string(key)] = append(out[string(key)], v)
		}
	}
	add(mc.JobsQueryFilterKeyJobengineversionrequested, value(in.JobEngineVersion))
	add(mc.JobsQueryFilterKeyJobengineversionused, value(engineUsed(in.JobEngineVersion)))
	for _, i := range in.Settings.Inputs {
		add(mc.JobsQueryFilterKeyFileinput, value(i.FileInput))
	}
	for _, g := range in.Settings.OutputGroups {
		for _, o := range g.Outputs {
			if v := o.VideoDescription; v != nil && v.CodecSettings != nil {
				add(mc.JobsQueryFilterKeyVideocodec, string(v.CodecSettings.Codec))
			}
			for _, a := range o.AudioDescriptions {
				if a.CodecSettings != nil {
					add(mc.JobsQueryFilterKeyAudiocodec, string(a.CodecSettings.Codec))
				}
			}
		}
	}
	return out
}

// engineVersion is the one job engine there is, named by the version of the API.
const engineVersion = "2017-08-29"

// checkEngine refuses what is no version: a day as YYYY-MM-DD. Days of other
// engines are those of expired ones, with which the service runs a regular job.
func checkEngine(version *string, f *Findings) {
	if version == nil {
		return
	}
	if _, err := time.Parse(time.DateOnly, *version); err != nil {
		f.fault("/jobEngineVersion", "%q is not a version: use one that ListVersions answers, in the format YYYY-MM-DD", *version)
	}
}

// engineUsed is the engine that a job runs with: none is named for one who asked
// for a version that is not there any more.
func engineUsed(requested *string) *string {
	if requested != nil && *requested != engineVersion {
		return nil
	}
	return new(engineVersion)
}

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
		if problem := disallowed(p, *in.FileInput); problem != "" {
			found.fault(fmt.Sprintf("/inputs/%d/fileInput", i), "%s", problem)
		}
	}
	return nil
}

// disallowed says that a policy forbids an input, "" if it does not. 3457 is the
// service's code of that.
func disallowed(p *mc.Policy, uri string) string {
	scheme, _, _ := strings.Cut(uri, "://")
	scheme = strings.ToLower(scheme)
	if map[string]mc.InputPolicy{"http": p.HttpInputs, "https": p.HttpsInputs, "s3": p.S3Inputs}[scheme] != mc.InputPolicyDisallowed {
		return ""
	}
	return scheme + " inputs are not allowed by the policy of this account (error 3457)"
}
