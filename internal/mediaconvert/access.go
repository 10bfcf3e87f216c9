package mediaconvert

import (
	"cmp"
	"encoding/json"
	"maps"
	"strconv"
	"strings"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
	"vodwright.dev/vodwright/internal/job"
)

// servicePrincipal is who a job's role must trust and who it is passed to.
const servicePrincipal = "mediaconvert.amazonaws.com"

// access names what an operation is done to, as the service authorization
// reference does for MediaConvert: a job is created in a queue, from a template
// and with presets, each of which must be allowed, and its role must be passed.
func (s *server) access(op string, call *apiserver.Call, in any) []apiserver.Access {
	var out []apiserver.Access
	on := func(resources ...string) {
		for _, r := range resources {
			out = append(out, apiserver.Access{Action: "mediaconvert:" + op, Resource: r})
		}
	}
	named := func(kind string, name *string) string { return s.arn(kind + "/" + nameOf(kind, value(name))) }
	queue := func(name *string) string { return named("queues", new(cmp.Or(value(name), job.DefaultQueue))) }
	optionalQueue := func(name *string) {
		if name != nil {
			on(queue(name))
		} else {
			on("*")
		}
	}
	var tags map[string]string
	made := "*" // what would get the tags
	switch in := in.(type) {
	case *mc.CreateJobRequest:
		into, hops, presets := in.Queue, in.HopDestinations, []string(nil)
		if in.Settings != nil {
			presets = s.presets(in.Settings.OutputGroups)
		}
		if in.JobTemplate != nil {
			on(named("jobTemplates", in.JobTemplate))
			doc := s.templateOf(call, in)
			if into == nil {
				into = doc.Queue // where the job would go
			}
			if hops == nil {
				hops = doc.HopDestinations
			}
		}
		on(queue(into))
		for _, h := range hops {
			if h != nil && queue(h.Queue) != queue(into) {
				on(queue(h.Queue)) // where it may go later
			}
		}
		on(presets...)
		out = append(out, apiserver.Access{
			Action: "iam:PassRole", Resource: value(in.Role), Keys: map[string][]string{"iam:passedtoservice": {servicePrincipal}},
		})
		tags, made = in.Tags, s.arn("jobs/*")
	case *mc.GetJobRequest:
		on(named("jobs", in.Id))
	case *receiptRequest:
		out = []apiserver.Access{{Action: "mediaconvert:GetJob", Resource: named("jobs", in.Id)}}
	case *mc.CancelJobRequest:
		on(named("jobs", in.Id))
	case *mc.ListJobsRequest:
		optionalQueue(in.Queue)
	case *mc.SearchJobsRequest:
		optionalQueue(in.Queue)

	case *mc.CreateJobTemplateRequest:
		on(named("jobTemplates", in.Name))
		if in.Queue != nil {
			on(queue(in.Queue))
		}
		if in.Settings != nil {
			on(s.presets(in.Settings.OutputGroups)...)
		}
		tags, made = in.Tags, named("jobTemplates", in.Name)
	case *mc.GetJobTemplateRequest:
		on(named("jobTemplates", in.Name))
	case *mc.UpdateJobTemplateRequest:
		on(named("jobTemplates", in.Name))
		if in.Queue != nil {
			on(queue(in.Queue))
		}
		if in.Settings != nil {
			on(s.presets(in.Settings.OutputGroups)...)
		}
	case *mc.DeleteJobTemplateRequest:
		on(named("jobTemplates", in.Name))

	case *mc.CreatePresetRequest:
		on(named("presets", in.Name))
		tags, made = in.Tags, named("presets", in.Name)
	case *mc.GetPresetRequest:
		on(named("presets", in.Name))
	case *mc.UpdatePresetRequest:
		on(named("presets", in.Name))
	case *mc.DeletePresetRequest:
		on(named("presets", in.Name))

	case *mc.CreateQueueRequest:
		on(queue(in.Name))
		tags, made = in.Tags, queue(in.Name)
	case *mc.GetQueueRequest:
		on(queue(in.Name))
	case *mc.UpdateQueueRequest:
		on(queue(in.Name))
	case *mc.DeleteQueueRequest:
		on(queue(in.Name))

	case *mc.TagResourceRequest:
		on(value(in.Arn))
		setKeys(out, in.Tags)
	case *mc.UntagResourceRequest:
		on(value(in.Arn))
		for i := range out {
			out[i].Keys = map[string][]string{"aws:tagkeys": in.TagKeys}
		}
	case *mc.ListTagsForResourceRequest:
		on(value(in.Arn))
	default: // lists, endpoints, versions and the input policy are on no resource
		on("*")
	}
	if len(tags) > 0 {
		out = append(out, apiserver.Access{Action: "mediaconvert:TagResource", Resource: made})
		setKeys(out, tags)
	}
	if op == "CreateJob" {
		s.setPolicyKeys(call, out)
	}
	return out
}

// setPolicyKeys tells which inputs the account's input policy allows now, so that
// a caller's policy can insist on one (mediaconvert:HttpInputsAllowed and its kin).
func (s *server) setPolicyKeys(call *apiserver.Call, list []apiserver.Access) {
	p, err := s.policy(call.Request.Context())
	if err != nil {
		return // without the keys, conditions on them do not hold
	}
	for i := range list {
		if list[i].Action != "mediaconvert:CreateJob" {
			continue
		}
		keys := maps.Clone(list[i].Keys)
		if keys == nil {
			keys = map[string][]string{}
		}
		for kind, allowed := range map[string]mc.InputPolicy{"http": p.HttpInputs, "https": p.HttpsInputs, "s3": p.S3Inputs} {
			keys["mediaconvert:"+kind+"inputsallowed"] = []string{strconv.FormatBool(allowed != mc.InputPolicyDisallowed)}
		}
		list[i].Keys = keys
	}
}

// templateOf reads the template that a job is made from; one that cannot be read
// is nothing, and CreateJob says why.
func (s *server) templateOf(call *apiserver.Call, in *mc.CreateJobRequest) templateDocument {
	var doc templateDocument
	t, err := s.cfg.Records.Template(call.Request.Context(), nameOf("jobTemplates", *in.JobTemplate))
	if err == nil {
		_ = json.Unmarshal(t.Settings, &doc)
	}
	return doc
}

// setKeys tells every access of the service which tags a request gives.
func setKeys(list []apiserver.Access, tags map[string]string) {
	keys := map[string][]string{"aws:tagkeys": {}}
	for k, v := range tags {
		keys["aws:tagkeys"] = append(keys["aws:tagkeys"], k)
		keys["aws:requesttag/"+strings.ToLower(k)] = []string{v}
	}
	for i := range list {
		if list[i].Keys == nil {
			list[i].Keys = keys
		}
	}
}

// presets lists the ARNs of the presets that output groups name, once each.
func (s *server) presets(groups []*mc.OutputGroup) []string {
	var out []string
	seen := map[string]bool{}
	for _, g := range groups {
		if g == nil {
			continue
		}
		for _, o := range g.Outputs {
			if o == nil || value(o.Preset) == "" {
				continue
			}
			if arn := s.arn("presets/" + nameOf("presets", *o.Preset)); !seen[arn] {
				seen[arn] = true
				out = append(out, arn)
			}
		}
	}
	return out
}
