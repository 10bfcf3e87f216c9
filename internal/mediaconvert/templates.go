package mediaconvert

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"vodwright.dev/vodwright/internal/awsapi"
	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
)

// templateDocument is what the record of a job template keeps in its Settings.
// A template is stored as it was given, whatever of it is not implemented: jobs
// made from it say so, with what they lay over it.
type templateDocument struct {
	Settings             *mc.JobTemplateSettings  `json:"settings"`
	AccelerationSettings *mc.AccelerationSettings `json:"accelerationSettings,omitzero"`
	HopDestinations      []*mc.HopDestination     `json:"hopDestinations,omitzero"`
	Priority             *int32                   `json:"priority,omitzero"`
	Queue                *string                  `json:"queue,omitzero"`
	StatusUpdateInterval mc.StatusUpdateInterval  `json:"statusUpdateInterval,omitzero"`
}

// fill gives a request what the template says and the request does not.
func (d templateDocument) fill(in *mc.CreateJobRequest) {
	if in.AccelerationSettings == nil {
		in.AccelerationSettings = d.AccelerationSettings
	}
	if in.HopDestinations == nil {
		in.HopDestinations = d.HopDestinations
	}
	if in.Priority == nil {
		in.Priority = d.Priority
	}
	if in.Queue == nil {
		in.Queue = d.Queue
	}
	if in.StatusUpdateInterval == "" {
		in.StatusUpdateInterval = d.StatusUpdateInterval
	}
}

func (s *server) createJobTemplate(ctx context.Context, _ *apiserver.Call, in *mc.CreateJobTemplateRequest) (*mc.CreateJobTemplateResponse, error) {
	var found Findings
	name := value(in.Name)
	checkName(name, &found)
	checkTags(in.Tags, "/tags", &found)
	checkHops(in.HopDestinations, &found)
	if err := found.Err(); err != nil {
		return nil, err
	}
	doc, err := json.Marshal(templateDocument{in.Settings, in.AccelerationSettings, in.HopDestinations, in.Priority, in.Queue, in.StatusUpdateInterval})
	if err != nil {
		return nil, fmt.Errorf("encode job template: %w", err)
	}
	now := s.now()
	t := job.Template{Name: name, Description: value(in.Description), Category: value(in.Category), Settings: doc, Created: now, Updated: now}
	if err := s.cfg.Records.CreateTemplate(ctx, t, in.Tags); err != nil {
		return nil, err
	}
	out, err := s.wireTemplate(t)
	return &mc.CreateJobTemplateResponse{JobTemplate: out}, err
}

func (s *server) getJobTemplate(ctx context.Context, _ *apiserver.Call, in *mc.GetJobTemplateRequest) (*mc.GetJobTemplateResponse, error) {
	t, err := s.cfg.Records.Template(ctx, nameOf("jobTemplates", value(in.Name)))
	if err != nil {
		return nil, s.gone(err, "jobTemplates", nameOf("jobTemplates", value(in.Name)))
	}
	out, err := s.wireTemplate(t)
	return &mc.GetJobTemplateResponse{JobTemplate: out}, err
}

func (s *server) listJobTemplates(ctx context.Context, _ *apiserver.Call, in *mc.ListJobTemplatesRequest) (*mc.ListJobTemplatesResponse, error) {
	out := &mc.ListJobTemplatesResponse{JobTemplates: []*mc.JobTemplate{}}
	if in.ListBy == mc.JobTemplateListBySystem {
		return out, nil // there are no templates of the system
	}
	limit := defaultPage
	if in.MaxResults != nil {
		limit = int(*in.MaxResults)
	}
	here := place{List: "jobTemplates", ByCreation: in.ListBy == mc.JobTemplateListByCreation_Date, Descending: in.Order == mc.OrderDescending, Category: value(in.Category)}
	last, err := here.after(in.NextToken)
	if err != nil {
		return nil, err
	}
	list, err := s.cfg.Records.Templates(ctx, here.filter(last, limit+1))
	if err != nil {
		return nil, err
	}
	if len(list) > limit {
		list = list[:limit]
		if out.NextToken, err = here.token(list[limit-1].Name, list[limit-1].Created); err != nil {
			return nil, err
		}
	}
	for _, t := range list {
		w, err := s.wireTemplate(t)
		if err != nil {
			return nil, err
		}
		out.JobTemplates = append(out.JobTemplates, w)
	}
	return out, nil
}

// updateJobTemplate replaces the members that are given, each whole.
func (s *server) updateJobTemplate(ctx context.Context, _ *apiserver.Call, in *mc.UpdateJobTemplateRequest) (*mc.UpdateJobTemplateResponse, error) {
	var found Findings
	checkHops(in.HopDestinations, &found)
	if err := found.Err(); err != nil {
		return nil, err
	}
	t, err := s.cfg.Records.ChangeTemplate(ctx, nameOf("jobTemplates", value(in.Name)), func(t *job.Template) error {
		var doc templateDocument
		if err := json.Unmarshal(t.Settings, &doc); err != nil {
			return fmt.Errorf("read job template %q: %w", t.Name, err)
		}
		replace(&doc.Settings, in.Settings)
		replace(&doc.AccelerationSettings, in.AccelerationSettings)
		replace(&doc.Priority, in.Priority)
		replace(&doc.Queue, in.Queue)
		if in.HopDestinations != nil {
			doc.HopDestinations = in.HopDestinations
		}
		if in.StatusUpdateInterval != "" {
			doc.StatusUpdateInterval = in.StatusUpdateInterval
		}
		if in.Description != nil {
			t.Description = *in.Description
		}
		if in.Category != nil {
			t.Category = *in.Category
		}
		t.Updated = s.now()
		var err error
		t.Settings, err = json.Marshal(doc)
		return err
	})
	if err != nil {
		return nil, s.gone(err, "jobTemplates", nameOf("jobTemplates", value(in.Name)))
	}
	out, err := s.wireTemplate(t)
	return &mc.UpdateJobTemplateResponse{JobTemplate: out}, err
}

func replace[T any](have **T, given *T) {
	if given != nil {
		*have = given
	}
}

func (s *server) deleteJobTemplate(ctx context.Context, _ *apiserver.Call, in *mc.DeleteJobTemplateRequest) (*mc.DeleteJobTemplateResponse, error) {
	if err := s.cfg.Records.DeleteTemplate(ctx, nameOf("jobTemplates", value(in.Name))); err != nil {
		return nil, s.gone(err, "jobTemplates", nameOf("jobTemplates", value(in.Name)))
	}
	return &mc.DeleteJobTemplateResponse{}, nil
}

func (s *server) wireTemplate(t job.Template) (*mc.JobTemplate, error) {
	var doc templateDocument
	if err := json.Unmarshal(t.Settings, &doc); err != nil {
		return nil, fmt.Errorf("read job template %q: %w", t.Name, err)
	}
	out := &mc.JobTemplate{
		Name: &t.Name, Arn: new(s.arn("jobTemplates/" + t.Name)), Type: mc.TypeCustom,
		Description: optional(t.Description), Category: optional(t.Category),
		CreatedAt: awsapi.At(t.Created), LastUpdated: awsapi.At(t.Updated),
		Settings: doc.Settings, Priority: new(value(doc.Priority)),
		AccelerationSettings: doc.AccelerationSettings, StatusUpdateInterval: doc.StatusUpdateInterval,
		HopDestinations: append([]*mc.HopDestination{}, doc.HopDestinations...),
	}
	if doc.Queue != nil {
		out.Queue = new(s.arn("queues/" + nameOf("queues", *doc.Queue)))
	}
	return out, nil
}

// checkTags bounds tags as every service does.
func checkTags(tags map[string]string, at string, f *Findings) {
	if len(tags) > 50 {
		f.fault(at, "Should have at most 50 items")
	}
	for k, v := range tags {
		switch {
		case k == "" || len([]rune(k)) > 128:
			f.fault(at+"/"+k, "Should have a name of 1 to 128 characters")
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			f.fault(at+"/"+k, "Should not begin with aws:")
		case len([]rune(v)) > 256:
			f.fault(at+"/"+k, "Should have a value of at most 256 characters")
		}
	}
}

// resource checks that an ARN is of something that exists here and returns its
// last part, jobs/ID, under which its tags are kept.
func (s *server) resource(ctx context.Context, arn string) (string, error) {
	part, ok := strings.CutPrefix(arn, s.arn(""))
	if !ok {
		return "", fault.New(fault.NotFound, "", "the resource %q is not one of this account and region", arn).
			WithHint("ARNs here begin with %s", s.arn(""))
	}
	kind, name, _ := strings.Cut(part, "/")
	var err error
	switch kind {
	case "jobs":
		_, err = s.cfg.Jobs.Get(ctx, name)
		err = s.gone(err, "jobs", name)
	case "jobTemplates":
		_, err = s.cfg.Records.Template(ctx, name)
		err = s.gone(err, "jobTemplates", name)
	case "presets":
		_, err = s.preset(ctx, name)
	case "queues":
		_, err = s.queue(ctx, name)
	default:
		err = fault.New(fault.NotFound, "", "the resource %q does not exist", arn)
	}
	return part, err
}

func (s *server) tagResource(ctx context.Context, _ *apiserver.Call, in *mc.TagResourceRequest) (*mc.TagResourceResponse, error) {
	part, err := s.resource(ctx, value(in.Arn))
	if err != nil {
		return nil, err
	}
	have, err := s.cfg.Records.Tags(ctx, part)
	if err != nil {
		return nil, err
	}
	for k, v := range in.Tags {
		have[k] = v
	}
	var found Findings
	checkTags(have, "/tags", &found)
	if err := found.Err(); err != nil {
		return nil, err
	}
	return &mc.TagResourceResponse{}, s.cfg.Records.SetTags(ctx, part, in.Tags)
}

func (s *server) untagResource(ctx context.Context, _ *apiserver.Call, in *mc.UntagResourceRequest) (*mc.UntagResourceResponse, error) {
	part, err := s.resource(ctx, value(in.Arn))
	if err != nil {
		return nil, err
	}
	return &mc.UntagResourceResponse{}, s.cfg.Records.RemoveTags(ctx, part, in.TagKeys)
}

func (s *server) listTagsForResource(ctx context.Context, _ *apiserver.Call, in *mc.ListTagsForResourceRequest) (*mc.ListTagsForResourceResponse, error) {
	part, err := s.resource(ctx, value(in.Arn))
	if err != nil {
		return nil, err
	}
	tags, err := s.cfg.Records.Tags(ctx, part)
	if err != nil {
		return nil, err
	}
	return &mc.ListTagsForResourceResponse{ResourceTags: &mc.ResourceTags{Arn: in.Arn, Tags: tags}}, nil
}
