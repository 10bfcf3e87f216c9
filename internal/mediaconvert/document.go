package mediaconvert

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"vodwright.dev/vodwright/internal/awsapi"
	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/plan"
)

// Document is a job document as people keep them in files.
type Document struct {
	Request mc.CreateJobRequest // Settings is never nil
	Unknown []string            // members that the model has not; skipped
}

// ParseDocument reads a CreateJob document, its Settings alone, or what the
// console and the API export of a job or a job template; member names in
// camelCase or PascalCase. Values of the wrong type are an error that lists them all.
func ParseDocument(data []byte) (Document, error) { return parseDocument(data, true) }

func parseDocument(data []byte, unwrap bool) (Document, error) {
	var top map[string]json.RawMessage
	data = bytes.TrimPrefix(bytes.TrimSpace(data), []byte("\xef\xbb\xbf")) // of editors on Windows
	if err := json.Unmarshal(data, &top); err != nil {
		return Document{}, fault.New(fault.Invalid, CodeBadRequest, "the job is not a JSON object: %w", err)
	}
	names := map[string]json.RawMessage{}
	for name, value := range top {
		names[camel(name)] = value
	}
	for _, wrapper := range []string{"job", "jobTemplate"} { // what GetJob and GetJobTemplate answer
		if inner, ok := names[wrapper]; ok && unwrap && names["settings"] == nil && len(bytes.TrimSpace(inner)) > 0 && bytes.TrimSpace(inner)[0] == '{' {
			return parseDocument(inner, false)
		}
	}
	var d Document
	schema := &awsapi.Schema{}
	var decoded awsapi.Decoded
	var err error
	switch {
	case names["settings"] != nil:
		decoded, err = schema.DecodeJSON(data, &d.Request)
		// What answers and exports have beside a request is no part of one.
		decoded.Unknown = except(decoded.Unknown, "/arn", "/id", "/createdAt", "/lastUpdated", "/type", "/name", "/description", "/category",
			"/status", "/currentPhase", "/jobPercentComplete", "/retryCount", "/errorCode", "/errorMessage", "/messages", "/warnings",
			"/outputGroupDetails", "/queueTransitions", "/timing", "/accelerationStatus", "/shareStatus", "/lastShareDetails",
			"/jobEngineVersionRequested", "/jobEngineVersionUsed")
	case names["outputGroups"] != nil || names["inputs"] != nil:
		d.Request.Settings = &mc.JobSettings{}
		decoded, err = schema.DecodeJSON(data, d.Request.Settings)
	default:
		return Document{}, fault.New(fault.Invalid, CodeBadRequest, "the document has neither Settings nor OutputGroups").
			WithHint("give a CreateJob document, its Settings, or an exported job or template")
	}
	if err != nil {
		return Document{}, err
	}
	d.Unknown = decoded.Unknown
	if len(decoded.Violations) > 0 {
		return Document{}, describe(decoded.Violations)
	}
	if d.Request.Settings == nil {
		d.Request.Settings = &mc.JobSettings{}
	}
	return d, nil
}

// camel lowers the first letter: OutputGroups → outputGroups.
func camel(name string) string {
	r, n := utf8.DecodeRuneInString(name)
	return string(unicode.ToLower(r)) + name[n:]
}

func except(list []string, known ...string) []string {
	var out []string
	for _, s := range list {
		p := "/" + camel(strings.TrimPrefix(s, "/"))
		found := false
		for _, k := range known {
			found = found || p == k
		}
		if !found {
			out = append(out, s)
		}
	}
	return out
}

// unknownWarnings names the members that were skipped.
func unknownWarnings(unknown []string) []job.Warning {
	const most = 50
	var out []job.Warning
	for i, path := range unknown {
		if i == most {
			out = append(out, job.Warning{Code: plan.WarnSetting, Message: fmt.Sprintf("and %d more unknown members were skipped", len(unknown)-most)})
			break
		}
		out = append(out, job.Warning{Code: plan.WarnSetting, Message: fmt.Sprintf("the unknown member %s was skipped", path)})
	}
	return out
}

// localBucket stands for the output folder in jobs that run without a server.
const localBucket = "local"

// LocalRequest makes the request of a job that runs without a server. document is
// what ParseDocument reads, nil for DefaultLadder. The input becomes input;
// the buckets of destinations are dropped, and a destination that is not there
// becomes base at the top. The request is what a job.FirstTask carries.
func LocalRequest(document []byte, input, base string) (json.RawMessage, []job.Warning, error) {
	if document == nil {
		ladder, err := json.Marshal(DefaultLadder())
		if err != nil {
			return nil, nil, fmt.Errorf("encode ladder: %w", err)
		}
		document = ladder
	}
	d, err := ParseDocument(document)
	if err != nil {
		return nil, nil, err
	}
	s := d.Request.Settings
	if len(s.Inputs) == 0 {
		s.Inputs = []*mc.Input{{AudioSelectors: map[string]*mc.AudioSelector{"Audio Selector 1": {DefaultSelection: mc.AudioDefaultSelectionDefault}}}}
	}
	s.Inputs[0].FileInput = &input
	for i, g := range s.OutputGroups {
		if g.OutputGroupSettings == nil {
			continue
		}
		name := base
		if i > 0 { // groups of a template have no destinations; they must not meet
			name = fmt.Sprintf("group%d/%s", i+1, base)
		}
		if s := g.OutputGroupSettings.HlsGroupSettings; s != nil {
			s.Destination = localDestination(s.Destination, name)
		}
		if s := g.OutputGroupSettings.CmafGroupSettings; s != nil {
			s.Destination = localDestination(s.Destination, name)
		}
		if s := g.OutputGroupSettings.DashIsoGroupSettings; s != nil {
			s.Destination = localDestination(s.Destination, name)
		}
		if s := g.OutputGroupSettings.FileGroupSettings; s != nil {
			s.Destination = localDestination(s.Destination, name)
		}
	}
	found := CheckSettings(s)
	if err := found.Err(); err != nil {
		return nil, nil, err
	}
	request, err := json.Marshal(mc.CreateJobRequest{Settings: s})
	if err != nil {
		return nil, nil, fmt.Errorf("encode request: %w", err)
	}
	return request, append(unknownWarnings(d.Unknown), found.Warnings...), nil
}

func localDestination(destination *string, base string) *string {
	key := base
	if destination != nil {
		rest, ok := strings.CutPrefix(*destination, "s3://")
		if !ok {
			return destination // reported by the check
		}
		_, key, _ = strings.Cut(rest, "/")
	}
	return new("s3://" + localBucket + "/" + key)
}
