package mediaconvert

import (
	"fmt"
	"reflect"
	"strings"

	"vodwright.dev/vodwright/internal/awsapi"
	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
)

// section is a part of the settings' document: the members below a prefix.
type section struct{ title, prefix string }

// sections lists the parts in the order of the document; the longest prefix of a
// member wins.
func sections() []section {
	const (
		group     = "outputGroups[].outputGroupSettings."
		container = "outputGroups[].outputs[].containerSettings."
		video     = "outputGroups[].outputs[].videoDescription."
		codec     = video + "codecSettings."
		audio     = "outputGroups[].outputs[].audioDescriptions[]."
	)
	return []section{
		{"The job", ""},
		{"Inputs", "inputs[]."},
		{"Audio selectors", "inputs[].audioSelectors{}."},
		{"Video selectors", "inputs[].videoSelector."},
		{"Caption selectors", "inputs[].captionSelectors{}."},
		{"Output groups", "outputGroups[]."},
		{"HLS groups", group + "hlsGroupSettings."},
		{"File groups", group + "fileGroupSettings."},
		{"CMAF groups", group + "cmafGroupSettings."},
		{"DASH groups", group + "dashIsoGroupSettings."},
		{"Smooth Streaming groups", group + "msSmoothGroupSettings."},
		{"Automated ABR", "outputGroups[].automatedEncodingSettings."},
		{"Outputs", "outputGroups[].outputs[]."},
		{"Containers", container},
		{"Container M3U8", container + "m3u8Settings."},
		{"Container MP4", container + "mp4Settings."},
		{"Container M2TS", container + "m2tsSettings."},
		{"Pictures", video},
		{"Preprocessors of pictures", video + "videoPreprocessors."},
		{"Video codecs", codec},
		{"H.264", codec + "h264Settings."},
		{"H.265", codec + "h265Settings."},
		{"AV1", codec + "av1Settings."},
		{"MPEG-2", codec + "mpeg2Settings."},
		{"Frame capture", codec + "frameCaptureSettings."},
		{"Sound", audio},
		{"Audio codecs", audio + "codecSettings."},
		{"AAC", audio + "codecSettings.aacSettings."},
		{"Captions", "outputGroups[].outputs[].captionDescriptions[]."},
	}
}

// SettingsTable prints the support table as Markdown: every member of a job's
// Settings, a line each, in the model's order within sections, with what Vodwright
// does with it and the default that answers show. docs/SETTINGS.md is its output.
func SettingsTable() string {
	t := tableWriter{checker: newChecker(&awsapi.Schema{}), shown: map[string]string{}, lines: map[string][]string{}}
	for _, d := range standards() {
		t.shown[d.path] = strings.Trim(fmt.Sprint(d.value), "[]")
	}
	t.structure(reflect.TypeFor[mc.JobSettings](), "", "")
	var b strings.Builder
	for _, s := range sections() {
		if lines := t.lines[s.prefix]; len(lines) > 0 {
			fmt.Fprintf(&b, "\n### %s\n\n| member | acts | warns | refused | shown when not given |\n|---|---|---|---|---|\n%s", s.title, strings.Join(lines, ""))
		}
	}
	return b.String()
}

type tableWriter struct {
	*checker
	shown map[string]string
	lines map[string][]string // by the section's prefix
}

// structure writes the members of a structure; whole names the structure around it
// that is refused whole, if one is.
func (t *tableWriter) structure(s reflect.Type, of, whole string) {
	for i, f := range t.schema.Fields(s) {
		t.member(s.Field(i).Type, strings.TrimPrefix(of+"."+f.Name, "."), whole)
	}
}

func (t *tableWriter) member(m reflect.Type, of, whole string) {
	r, hasRow := t.rows[of]
	inner, below := innermostOf(m, of)
	structure := inner.Kind() == reflect.Struct && t.schema.Fields(inner) != nil
	switch {
	case whole != "":
		t.line(of, "", "", "with `"+whole+"`")
	case !hasRow && t.within[of]:
	default:
		warns := r.warns.String()
		if r.warns.all && !r.acts.empty() {
			warns = "any other value"
		}
		if warns != "" {
			warns += ": " + r.instead
		}
		refused := ""
		if !r.acts.all && !r.warns.all {
			refused = "every other value"
			if r.acts.empty() && r.warns.empty() {
				refused = "any value"
				if structure {
					whole = of[strings.LastIndexByte(of, '.')+1:]
				}
			}
			if r.hint != "" {
				refused += ": " + r.hint
			}
		}
		t.line(of, r.acts.String(), warns, refused)
		if structure && whole == "" { // taken as a whole: what is in it goes the same way
			t.taken(inner, below, "with `"+of[strings.LastIndexByte(of, '.')+1:]+"`", r.warns.all)
			return
		}
	}
	if structure {
		t.structure(inner, below, whole)
	}
}

// taken writes the members of a structure whose row is about it as a whole: it
// acts, or warns.
func (t *tableWriter) taken(s reflect.Type, below, how string, warns bool) {
	acts, warning := how, ""
	if warns {
		acts, warning = "", how
	}
	for i, f := range t.schema.Fields(s) {
		at := below + "." + f.Name
		t.line(at, acts, warning, "")
		if inner, deeper := innermostOf(s.Field(i).Type, at); inner.Kind() == reflect.Struct && t.schema.Fields(inner) != nil {
			t.taken(inner, deeper, how, warns)
		}
	}
}

// innermostOf returns what a member holds in the end, and the path of that.
func innermostOf(m reflect.Type, of string) (reflect.Type, string) {
	for m.Kind() == reflect.Pointer || m.Kind() == reflect.Slice || m.Kind() == reflect.Map {
		switch m.Kind() {
		case reflect.Slice:
			of += "[]"
		case reflect.Map:
			of += "{}"
		}
		m = m.Elem()
	}
	return m, of
}

func (t *tableWriter) line(of, acts, warns, refused string) {
	prefix := ""
	for _, s := range sections() {
		if strings.HasPrefix(of, s.prefix) && len(s.prefix) > len(prefix) {
			prefix = s.prefix
		}
	}
	t.lines[prefix] = append(t.lines[prefix], fmt.Sprintf("| `%s` | %s | %s | %s | %s |\n", of, acts, warns, refused, t.shown[of]))
}
