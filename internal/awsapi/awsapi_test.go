package awsapi_test

import (
	"bytes"
	"fmt"
	"math"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/awsapi"
	cf "vodwright.dev/vodwright/internal/awsapi/cloudfront"
	"vodwright.dev/vodwright/internal/awsapi/events"
	"vodwright.dev/vodwright/internal/awsapi/iam"
	"vodwright.dev/vodwright/internal/awsapi/lambda"
	"vodwright.dev/vodwright/internal/awsapi/logs"
	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
	"vodwright.dev/vodwright/internal/awsapi/sts"
	"vodwright.dev/vodwright/internal/awsapi/wafv2"
)

// The committed shapes are what the generator makes of the committed models.
func TestGeneratedCodeIsCurrent(t *testing.T) {
	generator := filepath.Join(t.TempDir(), "awsgen")
	if out, err := exec.Command("go", "build", "-o", generator, "../../tools/awsgen").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	source, err := os.ReadFile("generate.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for line := range strings.Lines(string(source)) {
		args, ok := strings.CutPrefix(strings.TrimSpace(line), "//go:generate go run ../../tools/awsgen ")
		if !ok {
			continue
		}
		found++
		args, pkg, _ := strings.Cut(args, " -dir ")
		dir := t.TempDir()
		if out, err := exec.Command(generator, append(strings.Fields(args), "-dir", dir)...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for _, name := range []string{"shapes.go", "enums.go", "operations.go"} {
			want, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			have, err := os.ReadFile(filepath.Join(pkg, name))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(have, want) {
				t.Errorf("%s/%s is not what the generator makes: run go generate ./internal/awsapi", pkg, name)
			}
		}
	}
	if found < 8 {
		t.Fatalf("generate.go names %d packages", found)
	}
	if n := len(mc.API().Operations); n != 34 {
		t.Errorf("MediaConvert has %d operations", n)
	}
	for _, op := range mc.API().Operations {
		if op.Input == nil {
			t.Errorf("%s has no shapes", op.Name)
		}
	}
}

// Every pattern of every shape is one that the program can compile.
func TestPatternsCompile(t *testing.T) {
	s := &awsapi.Schema{}
	for _, api := range []awsapi.API{mc.API(), cf.API(), events.API(), iam.API(), lambda.API(), logs.API(), sts.API(), wafv2.API()} {
		for _, op := range api.Operations {
			if op.Input != nil {
				v := op.Input()
				fill(reflect.ValueOf(v).Elem(), map[reflect.Type]bool{})
				s.Validate(v)
			}
		}
	}
}

// fill gives every member a value, so that a validation visits all of a shape; a
// shape that was met before (some hold themselves) stays as it is.
func fill(v reflect.Value, met map[reflect.Type]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), met)
	case reflect.Slice:
		if v.Type().Elem().Kind() != reflect.Uint8 {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			fill(v.Index(0), met)
		}
	case reflect.Map:
		e := reflect.New(v.Type().Elem()).Elem()
		fill(e, met)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("k"), e)
	case reflect.Struct:
		if met[v.Type()] {
			return
		}
		met[v.Type()] = true
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i), met)
			}
		}
	case reflect.String:
		v.SetString("x")
	}
}

func TestDecodeJSON(t *testing.T) {
	s := &awsapi.Schema{}
	for doc, want := range map[string]struct{ violations, unknown string }{
		`{}`: {},

		`{"priority":5,"Queue":"q","tags":{"a":"b"}}`: {},

		`{"priority":5.0}`:                                        {},
		`{"priority":null,"settings":null}`:                       {},
		`{"priority":5.5}`:                                        {"/priority: Should be an integer of 32 bits", ""},
		`{"priority":3000000000}`:                                 {"/priority: Should be an integer of 32 bits", ""},
		`{"priority":"5"}`:                                        {"/priority: Should be an integer of 32 bits", ""},
		`{"priority":1e400}`:                                      {"/priority: Should be an integer of 32 bits", ""},
		`{"queue":5,"role":{},"userMetadata":["a",[1,{}]]}`:       {"/queue: Should be a string|/role: Should be a string|/userMetadata: Should be an object", ""},
		`{"queue":"a","Queue":"b"}`:                               {"/queue: is given twice", ""},
		`{"tags":{"a":"1","a":"2"}}`:                              {"/tags/a: is given twice", ""},
		`{"QUEUE":"a","other":{"deep":[1,2,{"x":null}]},"a/b":1}`: {"", "/QUEUE|/a~1b|/other"},
		`{"settings":{"inputs":[null,{"fileInput":"x"},7]}}`:      {"/settings/inputs/0: Should be an object|/settings/inputs/2: Should be an object", ""},
		`{"hopDestinations":[{"priority":1,"wait":2}]}`:           {"", "/hopDestinations/0/wait"},
	} {
		in := &mc.CreateJobRequest{}
		d, err := s.DecodeJSON([]byte(doc), in)
		if err != nil {
			t.Errorf("%s: %v", doc, err)
			continue
		}
		var lines []string
		for _, v := range d.Violations {
			lines = append(lines, v.String())
		}
		if got := strings.Join(lines, "|"); got != want.violations || strings.Join(d.Unknown, "|") != want.unknown {
			t.Errorf("%s: violations %q, unknown %q", doc, got, d.Unknown)
		}
		if in.Settings != nil {
			for _, input := range in.Settings.Inputs {
				if input == nil {
					t.Errorf("%s: an item is nil", doc)
				}
			}
		}
	}
	for _, doc := range []string{"", "null", "[]", "1", `"x"`, `{"a":}`, `{} {}`, "{", `{"a":1,}`} {
		if _, err := s.DecodeJSON([]byte(doc), &mc.CreateJobRequest{}); err == nil {
			t.Errorf("%q was read", doc)
		}
	}
}

func TestValidateFindsEverything(t *testing.T) {
	s := &awsapi.Schema{}
	in := &mc.CreateJobRequest{
		Priority:             new(int32(51)),
		AccelerationSettings: &mc.AccelerationSettings{},
		StatusUpdateInterval: "SECONDS_7",
		Settings: &mc.JobSettings{Inputs: []*mc.Input{{
			FileInput: new("ftp://x"), FilterStrength: new(int32(-1)), TimecodeStart: new("1"),
			AudioSelectors: map[string]*mc.AudioSelector{"b": {Tracks: []int32{1, 0}}, "a/b": {ProgramSelection: new(int32(9))}},
		}}},
	}
	var got []string
	for _, v := range s.Validate(in) {
		line, _, _ := strings.Cut(v.String(), " pattern")
		got = append(got, line)
	}
	want := []string{
		"/accelerationSettings: mode is a required property",
		"/priority: Should be less than or equal to 50",
		"role is a required property",
		"/settings/inputs/0/audioSelectors/a~1b/programSelection: Should be less than or equal to 8",
		"/settings/inputs/0/audioSelectors/b/tracks/1: Should be greater than or equal to 1",
		"/settings/inputs/0/fileInput: \"ftp://x\" Should match the",
		"/settings/inputs/0/filterStrength: Should be greater than or equal to 0",
		"/settings/inputs/0/timecodeStart: \"1\" Should match the",
		"/settings/inputs/0/timecodeStart: Should be at least 11 characters long",
		"/statusUpdateInterval: SECONDS_7 is not a valid value. Valid values: [SECONDS_10, SECONDS_12, SECONDS_15, SECONDS_20, SECONDS_30, SECONDS_60, SECONDS_120, SECONDS_180, SECONDS_240, SECONDS_300, SECONDS_360, SECONDS_420, SECONDS_480, SECONDS_540, SECONDS_600]",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("violations:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestXMLRoundTrip(t *testing.T) {
	s := &awsapi.Schema{}
	in := &cf.DistributionConfig{
		CallerReference: new("r"), Comment: new("<a> & \"b\" \u20ac"), Enabled: new(true), PriceClass: cf.PriceClassPriceclass_100,
		Aliases: &cf.Aliases{Quantity: new(int32(2)), Items: []string{"a.example", "b.example"}},
		Origins: &cf.Origins{Quantity: new(int32(1)), Items: []*cf.Origin{{Id: new("o"), DomainName: new("d"), OriginPath: new("")}}},
		DefaultCacheBehavior: &cf.DefaultCacheBehavior{
			MinTTL:         new(int64(math.MaxInt64)),
			AllowedMethods: &cf.AllowedMethods{Quantity: new(int32(1)), Items: []cf.Method{cf.MethodGet}},
		},
		CacheBehaviors: &cf.CacheBehaviors{Quantity: new(int32(0)), Items: []*cf.CacheBehavior{}},
	}
	var b bytes.Buffer
	if err := s.EncodeXML(&b, "DistributionConfig", "http://example/", in); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`<DistributionConfig xmlns="http://example/">`, "<Items><CNAME>a.example</CNAME><CNAME>b.example</CNAME></Items>", "<Items></Items>", "<OriginPath></OriginPath>", "<Method>GET</Method>"} {
		if !strings.Contains(b.String(), part) {
			t.Errorf("%s lacks %s", b.String(), part)
		}
	}
	out := &cf.DistributionConfig{}
	d, err := s.DecodeXML(b.Bytes(), "DistributionConfig", out)
	if err != nil || len(d.Violations)+len(d.Unknown) > 0 || !reflect.DeepEqual(in, out) {
		t.Errorf("%+v, %+v, %v", out, d, err)
	}
}

func TestRouter(t *testing.T) {
	job, dist := awsapi.NewRouter(mc.API()), awsapi.NewRouter(cf.API())
	for _, c := range []struct {
		r                  *awsapi.Router
		method, path, want string
		label, value       string
	}{
		{job, "GET", "/2017-08-29/jobs", "ListJobs", "", ""},
		{job, "GET", "/2017-08-29/jobs/1-a", "GetJob", "id", "1-a"},
		{job, "DELETE", "/2017-08-29/jobs/1-a", "CancelJob", "id", "1-a"},
		{job, "GET", "/2017-08-29/jobTemplates/a%2Fb%20c", "GetJobTemplate", "name", "a/b c"},
		{job, "GET", "/2017-08-29/tags/arn%3Aaws%3Ax%3Ajobs%2F1", "ListTagsForResource", "arn", "arn:aws:x:jobs/1"},
		{job, "GET", "/2017-08-29/tags/arn:aws:x:jobs/1", "ListTagsForResource", "arn", "arn:aws:x:jobs/1"},
		{job, "GET", "/2017-08-29/jobs/", "", "", ""},
		{job, "GET", "/2017-08-29/jobs/a/b", "", "", ""},
		{job, "GET", "/2017-08-29/jobs/%zz", "", "", ""},
		{job, "PUT", "/2017-08-29/jobs", "", "", ""},
		{job, "GET", "/", "", "", ""},
		{dist, "POST", "/2020-05-31/distribution", "CreateDistribution", "", ""},
		{dist, "POST", "/2020-05-31/distribution?WithTags", "CreateDistributionWithTags", "", ""},
		{dist, "GET", "/2020-05-31/distribution/E1/config", "GetDistributionConfig", "Id", "E1"},
		{dist, "GET", "/2020-05-31/distribution/E1", "GetDistribution", "Id", "E1"},
		{dist, "POST", "/2020-05-31/tagging?Operation=Tag", "TagResource", "", ""},
		{dist, "POST", "/2020-05-31/tagging?Operation=Untag", "UntagResource", "", ""},
	} {
		path, query, _ := strings.Cut(c.path, "?")
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		op, labels := c.r.Match(c.method, path, q)
		got := ""
		if op != nil {
			got = op.Name
		}
		if got != c.want || labels[c.label] != c.value {
			t.Errorf("%s %s: %q %v", c.method, c.path, got, labels)
		}
	}
}

func TestTimestamp(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	for _, text := range []string{"2026-01-02T03:04:05.678Z", "1767323045.678", `"2026-01-02T03:04:05.678Z"`} {
		var ts awsapi.Timestamp
		if err := ts.UnmarshalJSON([]byte(text)); err != nil || !ts.Equal(at) {
			t.Errorf("%s: %s, %v", text, ts, err)
		}
	}
	if b, err := (awsapi.Timestamp{Time: at}).MarshalJSON(); err != nil || string(b) != "1767323045.678" {
		t.Errorf("%s, %v", b, err)
	}
	for _, bad := range []string{"", "x", "1e300", "NaN", "2026"} {
		var ts awsapi.Timestamp
		if err := ts.UnmarshalText([]byte(bad)); err == nil && bad != "2026" {
			t.Errorf("%q was read as %s", bad, ts)
		}
	}
}

func FuzzDecodeJSON(f *testing.F) {
	f.Add([]byte(`{"role":"r","settings":{"inputs":[{"fileInput":"s3://a/b","audioSelectors":{"x":{"tracks":[1]}}}]},"tags":{"a":"b"}}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		s := &awsapi.Schema{}
		in := &mc.CreateJobRequest{}
		if _, err := s.DecodeJSON(doc, in); err != nil {
			return
		}
		s.Validate(in)
		var b bytes.Buffer
		if err := s.EncodeJSON(&b, in); err != nil {
			t.Fatal(err)
		}
		again := &mc.CreateJobRequest{}
		d, err := s.DecodeJSON(b.Bytes(), again)
		if err != nil || len(d.Violations)+len(d.Unknown) > 0 || !reflect.DeepEqual(in, again) {
			t.Fatalf("what was written is not read back: %s, %+v, %v", b.Bytes(), d, err)
		}
	})
}

func FuzzDecodeXML(f *testing.F) {
	f.Add([]byte(`<DistributionConfig xmlns="x"><Enabled>true</Enabled><Aliases><Quantity>1</Quantity><Items><CNAME>a</CNAME></Items></Aliases></DistributionConfig>`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		s := &awsapi.Schema{}
		in := &cf.DistributionConfig{}
		d, err := s.DecodeXML(doc, "DistributionConfig", in)
		if err != nil || len(d.Violations) > 0 {
			return
		}
		s.Validate(in)
		var b bytes.Buffer
		if err := s.EncodeXML(&b, "DistributionConfig", "", in); err != nil {
			t.Fatal(err)
		}
		if _, err := s.DecodeXML(b.Bytes(), "DistributionConfig", &cf.DistributionConfig{}); err != nil {
			t.Fatalf("what was written is not read back: %s, %v", b.Bytes(), err)
		}
	})
}

// TestCrowdedDocuments has lists and maps of more items than anything takes: they are
// told once, and what is behind them is still read.
func TestCrowdedDocuments(t *testing.T) {
	s := &awsapi.Schema{}
	for doc, want := range map[string]string{
		`{"settings":{"inputs":[` + strings.Repeat("{},", 20_000) + `{}]},"role":"r"}`:                           "/settings/inputs: Should have at most 10000 items",
		`{"settings":{"inputs":[{"audioSelectors":{` + many(20_000, `"k%d":{"tracks":[1]}`) + `}}]},"role":"r"}`: "/settings/inputs/0/audioSelectors: Should have at most 10000 items",
		`{"settings":{"inputs":[` + strings.Repeat("{},", 9_999) + `{}]},"role":"r"}`:                            "",
	} {
		in := &mc.CreateJobRequest{}
		d, err := s.DecodeJSON([]byte(doc), in)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, v := range d.Violations {
			got += v.String()
		}
		if got != want || in.Role == nil || len(in.Settings.Inputs) > 10_000 {
			t.Errorf("%d bytes: %q, want %q; role %v, %d inputs", len(doc), got, want, in.Role, len(in.Settings.Inputs))
		}
	}
}

// many joins n members with numbers in them.
func many(n int, format string) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(format, i)
	}
	return strings.Join(list, ",")
}
