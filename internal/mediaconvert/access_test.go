package mediaconvert_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	"vodwright.dev/vodwright/internal/awsapi/sigv4"
	"vodwright.dev/vodwright/internal/fault"
)

// Every operation asks for rights on what it is done to.
func TestWhatOperationsAreDoneTo(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	base := serveTo(t, func(_ context.Context, _ sigv4.Identity, _ *http.Request, a apiserver.Access) error {
		mu.Lock()
		defer mu.Unlock()
		short := strings.TrimPrefix(a.Resource, "arn:aws:mediaconvert:us-east-1:000000000000:")
		line := strings.TrimPrefix(a.Action, "mediaconvert:") + " " + short
		for _, k := range []string{"iam:passedtoservice", "aws:requesttag/team", "aws:tagkeys"} {
			if v := a.Keys[k]; len(v) > 0 {
				line += fmt.Sprintf(" %s=%s", k, strings.Join(v, ","))
			}
		}
		asked = append(asked, line)
		return nil
	})
	const settings = `"settings":{"outputGroups":[{"outputs":[{"preset":"p"},{"preset":"arn:aws:mediaconvert:us-east-1:000000000000:presets/p"},{}]}]}`
	tags := ` aws:requesttag/team=a aws:tagkeys=Team`
	for _, c := range []struct {
		method, path, body string
		want               []string
	}{
		{"POST", "/presets", `{"name":"p","settings":{},"tags":{"Team":"a"}}`, []string{"CreatePreset presets/p" + tags, "TagResource presets/p" + tags}},
		{"POST", "/queues", `{"name":"q"}`, []string{"CreateQueue queues/q"}},
		{"POST", "/jobTemplates", `{"name":"t","queue":"q",` + settings + `}`, []string{"CreateJobTemplate jobTemplates/t", "CreateJobTemplate queues/q", "CreateJobTemplate presets/p"}},
		{"POST", "/jobs", `{"role":"arn:aws:iam::000000000000:role/r",` + settings + `}`, []string{"CreateJob queues/Default", "CreateJob presets/p", "iam:PassRole arn:aws:iam::000000000000:role/r iam:passedtoservice=mediaconvert.amazonaws.com"}},
		{"POST", "/jobs", `{"role":"r","jobTemplate":"t","settings":{}}`, []string{"CreateJob jobTemplates/t", "CreateJob queues/q", "iam:PassRole r iam:passedtoservice=mediaconvert.amazonaws.com"}},
		{
			"POST", "/jobs", `{"role":"r","queue":"arn:aws:mediaconvert:us-east-1:000000000000:queues/other","settings":{},"tags":{"Team":"a"}}`,
			[]string{"CreateJob queues/other" + tags, "iam:PassRole r iam:passedtoservice=mediaconvert.amazonaws.com", "TagResource jobs/*" + tags},
		},
		{
			"POST", "/jobs", `{"role":"r","queue":"q","settings":{},"hopDestinations":[{"queue":"later"},{}]}`,
			[]string{"CreateJob queues/q", "CreateJob queues/later", "CreateJob queues/Default", "iam:PassRole r iam:passedtoservice=mediaconvert.amazonaws.com"},
		},
		{"POST", "/jobsQueries", `{}`, []string{"StartJobsQuery *"}},
		{"GET", "/jobsQueries/x", ``, []string{"GetJobsQueryResults *"}},
		{"GET", "/jobs", ``, []string{"ListJobs *"}},
		{"GET", "/jobs?queue=q", ``, []string{"ListJobs queues/q"}},
		{"GET", "/search?queue=q", ``, []string{"SearchJobs queues/q"}},
		{"GET", "/jobs/1-a", ``, []string{"GetJob jobs/1-a"}},
		{"DELETE", "/jobs/1-a", ``, []string{"CancelJob jobs/1-a"}},
		{"PUT", "/jobTemplates/t", `{}`, []string{"UpdateJobTemplate jobTemplates/t"}},
		{"GET", "/jobTemplates/t", ``, []string{"GetJobTemplate jobTemplates/t"}},
		{"DELETE", "/jobTemplates/t", ``, []string{"DeleteJobTemplate jobTemplates/t"}},
		{"PUT", "/queues/q", `{}`, []string{"UpdateQueue queues/q"}},
		{"GET", "/queues/q", ``, []string{"GetQueue queues/q"}},
		{"DELETE", "/queues/q", ``, []string{"DeleteQueue queues/q"}},
		{"PUT", "/presets/p", `{}`, []string{"UpdatePreset presets/p"}},
		{"GET", "/presets/p", ``, []string{"GetPreset presets/p"}},
		{"DELETE", "/presets/p", ``, []string{"DeletePreset presets/p"}},
		{"GET", "/queues", ``, []string{"ListQueues *"}},
		{"GET", "/policy", ``, []string{"GetPolicy *"}},
		{"POST", "/tags", `{"arn":"arn:aws:mediaconvert:us-east-1:000000000000:queues/q","tags":{"Team":"a"}}`, []string{"TagResource queues/q" + tags}},
		{"PUT", "/tags/arn%3Aaws%3Amediaconvert%3Aus-east-1%3A000000000000%3Aqueues%2Fq", `{"tagKeys":["Team"]}`, []string{"UntagResource queues/q aws:tagkeys=Team"}},
		{"GET", "/tags/arn%3Aaws%3Amediaconvert%3Aus-east-1%3A000000000000%3Aqueues%2Fq", ``, []string{"ListTagsForResource queues/q"}},
		{"POST", "/endpoints", `{}`, []string{"DescribeEndpoints *"}},
	} {
		asked = nil
		r, err := http.NewRequest(c.method, base+"/2017-08-29"+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		sign(t, r, []byte(c.body))
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if !slices.Equal(asked, c.want) {
			t.Errorf("%s %s %s asked for\n  %s\nwant\n  %s", c.method, c.path, c.body, strings.Join(asked, "\n  "), strings.Join(c.want, "\n  "))
		}
	}
}

// TestJobsTellOfTheInputPolicy: a caller's policy may insist on one.
func TestJobsTellOfTheInputPolicy(t *testing.T) {
	var mu sync.Mutex
	asked := map[string]string{}
	base := serveTo(t, func(_ context.Context, _ sigv4.Identity, _ *http.Request, a apiserver.Access) error {
		mu.Lock()
		defer mu.Unlock()
		for k, v := range a.Keys {
			if a.Action == "mediaconvert:CreateJob" {
				asked[k] = strings.Join(v, ",")
			}
		}
		return nil
	})
	create := func() {
		request(t, base, "POST", "/2017-08-29/jobs", marshal(t, map[string]any{"role": *role, "tags": map[string]string{"team": "a"}, "settings": ladder(t, "s3://source/a.mp4", "s3://bucket/x")}))
	}
	create()
	if want := (map[string]string{
		"mediaconvert:httpinputsallowed": "true", "mediaconvert:httpsinputsallowed": "true", "mediaconvert:s3inputsallowed": "true", "aws:tagkeys": "team", "aws:requesttag/team": "a",
	}); !maps.Equal(asked, want) {
		t.Errorf("asked with %v, want %v", asked, want)
	}
	request(t, base, "PUT", "/2017-08-29/policy", []byte(`{"policy":{"httpInputs":"DISALLOWED"}}`))
	create()
	if asked["mediaconvert:httpinputsallowed"] != "false" || asked["mediaconvert:s3inputsallowed"] != "true" {
		t.Errorf("asked with %v", asked)
	}
}

func TestWhatIsDeniedIsNotDone(t *testing.T) {
	base := serveTo(t, func(_ context.Context, _ sigv4.Identity, _ *http.Request, a apiserver.Access) error {
		if a.Action == "iam:PassRole" {
			return fault.New(fault.Denied, "AccessDeniedException", "User: u is not authorized to perform: iam:PassRole on resource: %s", a.Resource)
		}
		return nil
	})
	out, err := cli(t, base, "mediaconvert", "create-job", "--role", *role, "--settings", string(marshal(t, pascal(ladder(t, "s3://a/b", "s3://bucket/c")))))
	if err == nil || !strings.Contains(out, "(AccessDeniedException)") || !strings.Contains(out, "iam:PassRole on resource: "+*role) {
		t.Errorf("%v %s", err, out)
	}
	if out, err := cli(t, base, "mediaconvert", "list-jobs"); err != nil || !strings.Contains(out, `"Jobs": []`) {
		t.Errorf("%v %s", err, out)
	}
}
