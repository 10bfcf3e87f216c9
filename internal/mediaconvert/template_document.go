package mediaconvert

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"vodwright.dev/vodwright/internal/awsapi"
	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
	"vodwright.dev/vodwright/internal/fault"
)

// TemplateDocument is a job template as people keep it in files.
type TemplateDocument struct {
	Template mc.CreateJobTemplateRequest // Settings is never nil; Name may be
	Unknown  []string                    // members that the model has not; skipped
	Dropped  []string                    // members of a job that a template has not: its role, its input files
}

// ParseTemplate reads a job template: what the console and ExportTemplate write,
// a CreateJobTemplate document, what GetJobTemplate answers, or a job in any form
// that ParseDocument knows, which loses what belongs to one job alone. Member
// names are in camelCase or PascalCase. Values of the wrong type are an error
// that lists them all.
func ParseTemplate(data []byte) (TemplateDocument, error) {
	doc, err := innermost(data)
	if err != nil {
		return TemplateDocument{}, err
	}
	var out TemplateDocument
	var decoded awsapi.Decoded
	schema := &awsapi.Schema{}
	names := memberNames(doc)
	switch {
	case names["settings"]:
		decoded, err = schema.DecodeJSON(doc, &out.Template)
	case names["outputGroups"]:
		out.Template.Settings = &mc.JobTemplateSettings{}
		decoded, err = schema.DecodeJSON(doc, out.Template.Settings)
	case names["containerSettings"], names["videoDescription"], names["audioDescriptions"]:
		return out, fault.New(fault.Invalid, CodeBadRequest, "the document is the settings of a preset, not of a job template").
			WithHint("aws mediaconvert create-preset --name NAME --settings file://FILE makes a preset of it")
	default:
		return out, fault.New(fault.Invalid, CodeBadRequest, "the document has neither Settings nor OutputGroups").
			WithHint("give a job template, a job, or the settings of either")
	}
	if err != nil {
		return out, err
	}
	if len(decoded.Violations) > 0 {
		return out, describe(decoded.Violations)
	}
	if out.Template.Settings == nil {
		out.Template.Settings = &mc.JobTemplateSettings{}
	}
	for _, path := range except(decoded.Unknown, "/arn", "/createdAt", "/lastUpdated", "/type") { // which answers have beside a template
		if ofJob(path) {
			out.Dropped = append(out.Dropped, path)
		} else {
			out.Unknown = append(out.Unknown, path)
		}
	}
	out.Template.Settings.Inputs = trimInputs(out.Template.Settings.Inputs)
	return out, nil
}

// innermost returns the object that a document wraps as answers of the API do.
func innermost(data []byte) ([]byte, error) {
	data = bytes.TrimPrefix(bytes.TrimSpace(data), []byte("\xef\xbb\xbf")) // of editors on Windows
	var top map[string]json.RawMessage
	if err := json.Unmarshal(data, &top); err != nil {
		return nil, fault.New(fault.Invalid, CodeBadRequest, "the template is not a JSON object: %w", err)
	}
	for name, inner := range top {
		if n := camel(name); (n == "job" || n == "jobTemplate") && bytes.HasPrefix(bytes.TrimSpace(inner), []byte("{")) && !memberNames(data)["settings"] {
			return inner, nil
		}
	}
	return data, nil
}

// memberNames returns the names of an object's members, in camelCase.
func memberNames(data []byte) map[string]bool {
	var top map[string]json.RawMessage
	names := map[string]bool{}
	if json.Unmarshal(data, &top) == nil {
		for name := range top {
			names[camel(name)] = true
		}
	}
	return names
}

// ofJob reports whether a member belongs to jobs and not to their templates.
func ofJob(path string) bool {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if n := len(parts); n > 1 && camel(parts[n-1]) == "fileInput" {
		return slices.ContainsFunc(parts, func(p string) bool { return camel(p) == "inputs" })
	}
	if len(parts) != 1 {
		return false
	}
	t := reflect.TypeFor[mc.Job]()
	for _, s := range []reflect.Type{t, reflect.TypeFor[mc.CreateJobRequest]()} {
		for _, f := range (&awsapi.Schema{}).Fields(s) {
			if f.Name == camel(parts[0]) {
				return true
			}
		}
	}
	return false
}

// trimInputs drops inputs that say nothing when no input says anything: a job
// gives its own.
func trimInputs(inputs []*mc.InputTemplate) []*mc.InputTemplate {
	for _, in := range inputs {
		if in != nil && !reflect.ValueOf(*in).IsZero() {
			return inputs
		}
	}
	return nil
}

// ExportTemplate writes a template as the console exports it: PascalCase, with
// the members in the order of the console. A template without inputs gets an
// empty one, so that code may set the FileInput of the first, as exported
// templates are used; ParseTemplate takes it out again.
func ExportTemplate(t *mc.JobTemplate) ([]byte, error) {
	settings := mc.JobTemplateSettings{}
	if t.Settings != nil {
		settings = *t.Settings
	}
	if len(settings.Inputs) == 0 {
		settings.Inputs = []*mc.InputTemplate{{}}
	}
	queue := t.Queue
	if queue != nil {
		queue = new(nameOf("queues", *queue)) // the name, which is good in any account
	}
	out := struct { // by hand, for its order
		Description          *string
		Category             *string
		Name                 *string
		Queue                *string
		Settings             *mc.JobTemplateSettings
		AccelerationSettings *mc.AccelerationSettings
		StatusUpdateInterval mc.StatusUpdateInterval
		Priority             *int32
		HopDestinations      []*mc.HopDestination
	}{
		t.Description, t.Category, t.Name, queue, &settings, cmp.Or(t.AccelerationSettings, &mc.AccelerationSettings{Mode: mc.AccelerationModeDisabled}),
		cmp.Or(t.StatusUpdateInterval, mc.StatusUpdateIntervalSeconds_60), new(value(t.Priority)), append([]*mc.HopDestination{}, t.HopDestinations...),
	}
	var text, pretty bytes.Buffer
	if err := writePascal(&text, &awsapi.Schema{}, reflect.ValueOf(out)); err != nil {
		return nil, fmt.Errorf("encode job template %q: %w", value(t.Name), err)
	}
	if err := json.Indent(&pretty, text.Bytes(), "", "  "); err != nil {
		return nil, fmt.Errorf("encode job template %q: %w", value(t.Name), err)
	}
	pretty.WriteByte('\n')
	return pretty.Bytes(), nil
}

// ExportAnswer is ExportTemplate of what GetJobTemplate answered.
func ExportAnswer(answer []byte) ([]byte, error) {
	var got mc.GetJobTemplateResponse
	if _, err := (&awsapi.Schema{}).DecodeJSON(answer, &got); err != nil {
		return nil, err
	}
	if got.JobTemplate == nil {
		return nil, fault.New(fault.Internal, "", "the answer holds no job template")
	}
	return ExportTemplate(got.JobTemplate)
}

// writePascal writes a value of the model as JSON, with the names of its members
// in PascalCase. Keys of maps are data and stay as they are.
func writePascal(b *bytes.Buffer, schema *awsapi.Schema, v reflect.Value) error {
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	switch {
	case v.Kind() == reflect.Struct && schema.Fields(v.Type()) != nil:
		b.WriteByte('{')
		first := true
		for i, f := range schema.Fields(v.Type()) {
			if v.Field(i).IsZero() {
				continue
			}
			if !first {
				b.WriteByte(',')
			}
			first = false
			fmt.Fprintf(b, "%q:", f.GoName)
			if err := writePascal(b, schema, v.Field(i)); err != nil {
				return err
			}
		}
		b.WriteByte('}')
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8:
		b.WriteByte('[')
		for i := range v.Len() {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := writePascal(b, schema, v.Index(i)); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	case v.Kind() == reflect.Map:
		b.WriteByte('{')
		keys := v.MapKeys()
		slices.SortFunc(keys, func(x, y reflect.Value) int { return strings.Compare(x.String(), y.String()) })
		for i, k := range keys {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := writeLeaf(b, k.String()); err != nil {
				return err
			}
			b.WriteByte(':')
			if err := writePascal(b, schema, v.MapIndex(k)); err != nil {
				return err
			}
		}
		b.WriteByte('}')
	default:
		return writeLeaf(b, v.Interface())
	}
	return nil
}

// writeLeaf writes a scalar, with < and > as they are: these files are read by people.
func writeLeaf(b *bytes.Buffer, v any) error {
	var one bytes.Buffer
	e := json.NewEncoder(&one)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	b.Write(bytes.TrimSuffix(one.Bytes(), []byte("\n")))
	return nil
}
