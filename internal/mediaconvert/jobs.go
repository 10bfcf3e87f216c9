package mediaconvert

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/awsapi"
	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/plan"
	"vodwright.dev/vodwright/internal/receipt"
)

// defaultPage is how many items a list has when MaxResults is not given.
const defaultPage = 20

func (s *server) createJob(ctx context.Context, call *apiserver.Call, in *mc.CreateJobRequest) (*mc.CreateJobResponse, error) {
	violations := call.Violations
	settings := in.Settings
	if settings == nil {
		settings = &mc.JobSettings{}
	}
	request := *in
	if in.JobTemplate != nil {
		template, err := s.cfg.Records.Template(ctx, nameOf("jobTemplates", *in.JobTemplate))
		if err != nil {
			return nil, s.gone(err, "jobTemplates", nameOf("jobTemplates", *in.JobTemplate))
		}
		var doc templateDocument
		if err := json.Unmarshal(template.Settings, &doc); err != nil {
			return nil, fmt.Errorf("read job template %q: %w", template.Name, err)
		}
		if settings, err = mergeSettings(doc.Settings, settings); err != nil {
			return nil, err
		}
		doc.fill(&request)
	}
	var found, more Findings
	if in.Settings != nil { // else that it is missing says enough
		missing, err := s.applyPresets(ctx, settings, &more)
		if err != nil {
			return nil, err
		}
		if err := s.checkPolicy(ctx, settings, &more); err != nil {
			return nil, err
		}
		resolved(settings, func() { found = s.checker.settings(settings) })
		found.Faults = append(withoutMissing(found.Faults, missing), more.Faults...)
		slices.SortStableFunc(found.Faults, func(a, b awsapi.Violation) int { return comparePaths(a.Path, b.Path) })
	}
	found.Faults = append(violations, found.Faults...)
	for i := range found.Faults { // the same member may be found wrong in the request and in what was merged
		if rest, ok := strings.CutPrefix(found.Faults[i].Path, "/settings/"); ok {
			found.Faults[i].Path = "/" + rest
		}
	}
	checkTags(in.Tags, "/tags", &found)
	checkMetadata(in.UserMetadata, &found)
	if t := in.ClientRequestToken; t != nil && len(*t) > 64 {
		found.fault("/clientRequestToken", "Should be at most 64 characters long")
	}
	switch {
	case in.Role == nil: // found already
	case *in.Role == "":
		found.fault("", "role is a required property")
	case !isRole(*in.Role):
		found.fault("/role", "%q is not the ARN of a role, arn:aws:iam::ACCOUNT:role/NAME", *in.Role)
	}
	checkEngine(in.JobEngineVersion, &found)
	hops, err := s.hops(ctx, &request, &found)
	if err != nil {
		return nil, err
	}
	found.Faults = unique(found.Faults)
	if err := found.Err(); err != nil {
		return nil, err
	}
	request.Settings = settings
	j, err := s.jobOf(&request, found, call.Unknown)
	if err != nil {
		return nil, err
	}
	j.Hops = hops
	into := cmp.Or(j.Queue, job.DefaultQueue)
	if j, err = s.cfg.Jobs.Create(ctx, j); err != nil {
		return nil, s.gone(err, "queues", into)
	}
	out, err := s.wireJob(j)
	return &mc.CreateJobResponse{Job: out}, err
}

// isRole reports whether s is an ARN of a role.
func isRole(s string) bool {
	parts := strings.SplitN(s, ":", 6)
	return len(parts) == 6 && parts[0] == "arn" && parts[2] == "iam" && len(parts[4]) == 12 && strings.HasPrefix(parts[5], "role/") && len(parts[5]) > len("role/")
}

func unique(list []awsapi.Violation) []awsapi.Violation {
	seen := map[awsapi.Violation]bool{}
	return slices.DeleteFunc(list, func(v awsapi.Violation) bool {
		was := seen[v]
		seen[v] = true
		return was
	})
}

// checkMetadata bounds what travels with every event of a job.
func checkMetadata(m map[string]string, f *Findings) {
	if len(m) > 50 {
		f.fault("/userMetadata", "Should have at most 50 items")
	}
	for k, v := range m {
		if k == "" || len(k) > 256 || len(v) > 2048 {
			f.fault("/userMetadata/"+k, "Should have a name of 1 to 256 and a value of at most 2048 characters")
		}
	}
	if _, err := receipt.ParseWishes(m); err != nil {
		path, words, _ := strings.Cut(fault.Of(err).Message, ": ")
		f.fault(path, "%s", words)
	}
}

// jobOf makes the domain's job of a checked request.
func (s *server) jobOf(in *mc.CreateJobRequest, found Findings, unknown []string) (job.Job, error) {
	j := job.Job{
		Queue:        nameOf("queues", value(in.Queue)),
		Priority:     int(value(in.Priority)),
		Role:         value(in.Role),
		UserMetadata: in.UserMetadata,
		Tags:         in.Tags,
		ClientToken:  value(in.ClientRequestToken),
		Warnings:     slices.Concat(unknownWarnings(unknown), found.Warnings, requestWarnings(in), s.strangers(in)),
	}
	if in.JobTemplate != nil {
		j.Template = nameOf("jobTemplates", *in.JobTemplate)
	}
	seconds, err := strconv.Atoi(strings.TrimPrefix(string(cmp.Or(in.StatusUpdateInterval, mc.StatusUpdateIntervalSeconds_60)), "SECONDS_"))
	if err != nil {
		return job.Job{}, fmt.Errorf("read status update interval: %w", err)
	}
	j.StatusUpdateInterval = time.Duration(seconds) * time.Second
	j.Labels = labels(in)
	doc := *in
	doc.Role, doc.UserMetadata, doc.Tags, doc.Queue, doc.Priority = nil, nil, nil, nil, nil // kept in the job's own fields
	if j.Request, err = json.Marshal(doc); err != nil {
		return job.Job{}, fmt.Errorf("encode request: %w", err)
	}
	return j, nil
}

// requestWarnings names what a request asks for beside its settings and does not get.
func requestWarnings(in *mc.CreateJobRequest) []job.Warning {
	var out []job.Warning
	warn := func(on bool, format string, args ...any) {
		if on {
			out = append(out, job.Warning{Code: plan.WarnSetting, Message: fmt.Sprintf(format, args...)})
		}
	}
	if a := in.AccelerationSettings; a != nil {
		warn(a.Mode != mc.AccelerationModeDisabled, "accelerationSettings.mode %s has no effect: every job is encoded in parallel", a.Mode)
	}
	if v := in.JobEngineVersion; v != nil {
		warn(*v != engineVersion, "jobEngineVersion %s is not available any more: the job runs with the one engine there is", *v)
	}
	warn(in.SimulateReservedQueue == mc.SimulateReservedQueueEnabled, "simulateReservedQueue has no effect: there are no reserved queues")
	return out
}

// strangers names the ARNs of a request that are of another account or region: what
// has their names here was taken.
func (s *server) strangers(in *mc.CreateJobRequest) []job.Warning {
	var out []job.Warning
	look := func(path, kind string, arn *string) {
		name := nameOf(kind, value(arn))
		if name != value(arn) && *arn != s.arn(kind+"/"+name) {
			out = append(out, job.Warning{Code: plan.WarnSetting, Message: fmt.Sprintf("%s %s is of another account or region: %s is used", path, *arn, s.arn(kind+"/"+name))})
		}
	}
	look("queue", "queues", in.Queue)
	look("jobTemplate", "jobTemplates", in.JobTemplate)
	for i, h := range in.HopDestinations {
		look(fmt.Sprintf("hopDestinations/%d/queue", i), "queues", h.Queue)
	}
	for i, g := range in.Settings.OutputGroups {
		for j, o := range g.Outputs {
			look(fmt.Sprintf("outputGroups/%d/outputs/%d/preset", i, j), "presets", o.Preset)
		}
	}
	return out
}

func (s *server) getJob(ctx context.Context, _ *apiserver.Call, in *mc.GetJobRequest) (*mc.GetJobResponse, error) {
	j, err := s.cfg.Jobs.Get(ctx, value(in.Id))
	if err != nil {
		return nil, s.gone(err, "jobs", value(in.Id))
	}
	out, err := s.wireJob(j)
	return &mc.GetJobResponse{Job: out}, err
}

func (s *server) listJobs(ctx context.Context, _ *apiserver.Call, in *mc.ListJobsRequest) (*mc.ListJobsResponse, error) {
	f := job.Filter{Status: job.Status(in.Status), Ascending: in.Order == mc.OrderAscending, After: value(in.NextToken)}
	if in.Queue != nil {
		q, err := s.queue(ctx, nameOf("queues", *in.Queue))
		if err != nil {
			return nil, err
		}
		f.Queue = q.Name
	}
	jobs, next, err := s.page(ctx, f, in.MaxResults)
	return &mc.ListJobsResponse{Jobs: jobs, NextToken: next}, err
}

// page returns a page of jobs as the API shows them, and the token of the next.
func (s *server) page(ctx context.Context, f job.Filter, most *int32) ([]*mc.Job, *string, error) {
	limit := int(cmp.Or(value(most), defaultPage))
	f.Limit = limit + 1 // one more tells whether there is a next page
	jobs, err := s.cfg.Jobs.List(ctx, f)
	if err != nil {
		return nil, nil, err
	}
	var next *string
	if len(jobs) > limit {
		jobs = jobs[:limit]
		next = &jobs[limit-1].ID
	}
	out := make([]*mc.Job, 0, len(jobs))
	for _, j := range jobs {
		w, err := s.wireJob(j)
		if err != nil {
			return nil, nil, err
		}
		out = append(out, w)
	}
	return out, next, nil
}

func (s *server) cancelJob(ctx context.Context, _ *apiserver.Call, in *mc.CancelJobRequest) (*mc.CancelJobResponse, error) {
	if err := s.cfg.Jobs.Cancel(ctx, value(in.Id)); err != nil {
		return nil, s.gone(err, "jobs", value(in.Id))
	}
	return &mc.CancelJobResponse{}, nil
}

// wireJob is a job as the API shows it. Lists are never absent: clients read
// them without asking.
func (s *server) wireJob(j job.Job) (*mc.Job, error) {
	request, err := s.answers.request(j)
	if err != nil {
		return nil, err
	}
	out := &mc.Job{
		Id:                        &j.ID,
		Arn:                       new(s.arn("jobs/" + j.ID)),
		Role:                      &j.Role,
		Queue:                     new(s.arn("queues/" + j.Queue)),
		Settings:                  request.Settings,
		UserMetadata:              j.UserMetadata,
		Priority:                  new(int32(j.Priority)),
		Status:                    mc.JobStatus(j.Status),
		CurrentPhase:              mc.JobPhase(j.Phase),
		JobPercentComplete:        new(int32(j.PercentComplete)),
		RetryCount:                new(int32(j.RetryCount)),
		CreatedAt:                 awsapi.At(j.Created),
		Timing:                    &mc.Timing{SubmitTime: awsapi.At(j.Created), StartTime: awsapi.At(j.Started), FinishTime: awsapi.At(j.Finished)},
		ClientRequestToken:        optional(j.ClientToken),
		StatusUpdateInterval:      mc.StatusUpdateInterval(fmt.Sprintf("SECONDS_%d", int(cmp.Or(j.StatusUpdateInterval, time.Minute).Seconds()))),
		AccelerationSettings:      cmp.Or(request.AccelerationSettings, &mc.AccelerationSettings{Mode: mc.AccelerationModeDisabled}),
		AccelerationStatus:        accelerationStatus(request, j),
		BillingTagsSource:         cmp.Or(request.BillingTagsSource, mc.BillingTagsSourceJob),
		SimulateReservedQueue:     cmp.Or(request.SimulateReservedQueue, mc.SimulateReservedQueueDisabled),
		HopDestinations:           append([]*mc.HopDestination{}, request.HopDestinations...),
		JobEngineVersionRequested: request.JobEngineVersion,
		JobEngineVersionUsed:      engineUsed(request.JobEngineVersion),
		ShareStatus:               mc.ShareStatusNot_Shared,
		QueueTransitions:          []*mc.QueueTransition{},
		Messages:                  &mc.JobMessages{Info: append([]string{}, j.Messages.Info...), Warning: append([]string{}, j.Messages.Warning...)},
		Warnings:                  warningGroups(j.Warnings),
	}
	if out.UserMetadata == nil {
		out.UserMetadata = map[string]string{}
	}
	if j.Template != "" {
		out.JobTemplate = new(s.arn("jobTemplates/" + j.Template))
	}
	for _, t := range j.Transitions {
		out.QueueTransitions = append(out.QueueTransitions, &mc.QueueTransition{
			SourceQueue: new(s.arn("queues/" + t.From)), DestinationQueue: new(s.arn("queues/" + t.To)), Timestamp: awsapi.At(t.At),
		})
	}
	for _, w := range j.Warnings {
		out.Messages.Warning = append(out.Messages.Warning, w.Message)
	}
	if j.Status == job.Error {
		out.ErrorCode, out.ErrorMessage = new(int32(j.ErrorCode)), &j.ErrorMessage
	}
	out.OutputGroupDetails, err = s.outputDetails(j.Details)
	return out, err
}

// accelerationStatus says how a job runs that asked to be accelerated: every job is
// encoded in parallel as soon as its source is known.
func accelerationStatus(request *mc.CreateJobRequest, j job.Job) mc.AccelerationStatus {
	switch a := request.AccelerationSettings; {
	case a == nil || a.Mode == mc.AccelerationModeDisabled:
		return mc.AccelerationStatusNot_Applicable
	case j.Status == job.Submitted || j.Phase == "PROBING":
		return mc.AccelerationStatusIn_Progress
	}
	return mc.AccelerationStatusAccelerated
}

// outputDetails reads what the last task told: the shapes of the API with more
// beside them, which this API does not show.
func (s *server) outputDetails(details json.RawMessage) ([]*mc.OutputGroupDetail, error) {
	out := &mc.Job{}
	if len(details) > 0 {
		if _, err := s.schema.DecodeJSON(details, out); err != nil {
			return nil, fmt.Errorf("read output details: %w", err)
		}
	}
	for _, g := range out.OutputGroupDetails {
		g.OutputDetails = append([]*mc.OutputDetail{}, g.OutputDetails...)
	}
	return append([]*mc.OutputGroupDetail{}, out.OutputGroupDetails...), nil
}

// warningGroups counts warnings by their code, in the order of codes.
func warningGroups(warnings []job.Warning) []*mc.WarningGroup {
	counts := map[int]int32{}
	for _, w := range warnings {
		counts[w.Code]++
	}
	out := []*mc.WarningGroup{}
	for _, code := range slices.Sorted(maps.Keys(counts)) {
		out = append(out, &mc.WarningGroup{Code: new(int32(code)), Count: new(counts[code])})
	}
	return out
}
