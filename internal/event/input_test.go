package event

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

const sample = `{"version":"0","id":"7bf73129","detail-type":"EC2 Instance State-change Notification","source":"aws.ec2","account":"111122223333",` +
	`"time":"2015-11-11T21:29:54Z","region":"us-east-1","resources":["arn:aws:ec2:us-east-1:123456789012:instance/i-abcd1111"],` +
	`"detail":{"instance-id":"i-0123456789","state":"RUNNING","n":1.50,"say":"a \"b\" <c>","list":[{"x":1},{"x":2}],"a b":true}}`

func TestPayload(t *testing.T) {
	paths := map[string]string{"instance": "$.detail.instance-id", "state": "$.detail.state", "n": "$.detail.n", "say": "$.detail.say", "second": "$.detail.list[1].x", "all": "$.detail.list", "spaced": "$.detail['a b']", "gone": "$.detail.gone"}
	for _, c := range []struct {
		name   string
		target Target
		want   string
	}{
		{"the event", Target{}, sample},
		{"a constant", Target{Input: `{"a": 1}`}, `{"a": 1}`},
		{"a part", Target{InputPath: "$.detail.state"}, `"RUNNING"`},
		{"the whole", Target{InputPath: "$.resources"}, `["arn:aws:ec2:us-east-1:123456789012:instance/i-abcd1111"]`},
		{"nothing", Target{InputPath: "$.nothing"}, `null`},
		{"text", Target{Transformer: &Transformer{paths, `"<instance> is in state <state>"`}}, `"i-0123456789 is in state RUNNING"`},
		{"an object", Target{Transformer: &Transformer{paths, `{"instance": <instance>, "state": "<state>!", "n": <n>, "b": <spaced>}`}}, `{"instance": "i-0123456789", "state": "RUNNING!", "n": 1.50, "b": true}`},
		{"quotes", Target{Transformer: &Transformer{paths, `{"a": <say>, "b": "say <say>"}`}}, `{"a": "a \"b\" <c>", "b": "say a \"b\" <c>"}`},
		{"lists", Target{Transformer: &Transformer{paths, `{"a": <second>, "b": <all>, "c": "<all>"}`}}, `{"a": 2, "b": [{"x":1},{"x":2}], "c": "[{\"x\":1},{\"x\":2}]"}`},
		{"missing", Target{Transformer: &Transformer{paths, `{"a": <gone>, "b": "<gone>"}`}}, `{"a": null, "b": ""}`},
		{"the rule", Target{Transformer: &Transformer{nil, `{"r": <aws.events.rule-arn>, "n": <aws.events.rule-name>, "t": <aws.events.event.ingestion-time>}`}}, `{"r": "arn", "n": "name", "t": "2026-01-02T03:04:05Z"}`},
		{"the event in it", Target{Transformer: &Transformer{nil, `{"e": <aws.events.event.json>}`}}, `{"e": ` + sample + `}`},
	} {
		if err := c.target.Check(); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got, err := c.target.payload(Rule{Name: "name"}, "arn", []byte(sample), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %v\ngot  %s\nwant %s", c.name, err, got, c.want)
		}
		if !json.Valid(got) {
			t.Errorf("%s: %s is not JSON", c.name, got)
		}
	}
	for _, bad := range []Target{
		{Input: "{}", InputPath: "$"},
		{Input: "{"},
		{InputPath: "detail"},
		{InputPath: "$.a..b"},
		{InputPath: "$.a[x]"},
		{InputPath: "$.a['b"},
		{Transformer: &Transformer{nil, `{"a": <b>}`}},
		{Transformer: &Transformer{map[string]string{"aws.x": "$.a"}, `"<aws.x>"`}},
		{Transformer: &Transformer{map[string]string{"a": "$.a"}, `bare <a>`}},
	} {
		if bad.Check() == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
}

func FuzzPath(f *testing.F) {
	f.Add("$.a['b'][0].c")
	f.Fuzz(func(t *testing.T, path string) { lookUp(map[string]any{"a": []any{1}}, path) })
}

func TestShapes(t *testing.T) {
	p := place{"000000000000", "us-east-1"}
	o := ObjectEvent{
		Bucket: "b", Key: "a b/ü+%.mp4", VersionID: "v1", Size: 5, ETag: "e", Name: ObjectCreatedCompleteMultipartUpload,
		Sequencer: "01HF7YAT00TQS6G8GZZZZZZZZZ", Time: time.UnixMilli(1700000000123).UTC(), Request: Request{ID: "REQ", Requester: "arn:aws:iam::000000000000:user/u", SourceIP: "192.0.2.7"},
	}
	e, err := p.objectEvent(o)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"version":"0","id":"` + e.ID + `","detail-type":"Object Created","source":"aws.s3","account":"000000000000","time":"2023-11-14T22:13:20Z","region":"us-east-1",` +
		`"resources":["arn:aws:s3:::b"],"detail":{"version":"0","bucket":{"name":"b"},"object":{"key":"a b/ü+%.mp4","size":5,"etag":"e","version-id":"v1",` +
		`"sequencer":"018BCFE56800D5F268221FFFFFFFFFFF"},"request-id":"REQ","requester":"000000000000","source-ip-address":"192.0.2.7","reason":"CompleteMultipartUpload"}}`
	if string(doc) != want {
		t.Errorf("got  %s\nwant %s", doc, want)
	}
	o.Name = ObjectRemovedDeleteMarkerCreated
	e, err = p.objectEvent(o)
	if err != nil || e.DetailType != "Object Deleted" || !json.Valid(e.Detail) {
		t.Errorf("%v %+v", err, e)
	}
	var d ObjectDetail
	if json.Unmarshal(e.Detail, &d) != nil || d.DeletionType != "Delete Marker Created" || d.Reason != "DeleteObject" || d.Object.Size != nil {
		t.Errorf("%s", e.Detail)
	}
}

func TestDynamicHTTPParameters(t *testing.T) {
	doc := []byte(`{"source":"s","detail":{"id":"a/b","n":7,"list":["x",{"k":true}]}}`)
	got := (&HTTPPart{
		Path:   []string{"$.detail.id", "$.detail.n", "plain", "$5", "$.detail.absent"},
		Header: map[string]string{"X-K": "$.detail.list[1]", "X-P": "$.detail.list[0]"},
		Query:  map[string]string{"s": "$.source", "bad": "$.detail."},
	}).of(doc)
	want := &HTTPPart{
		Path:   []string{"a/b", "7", "plain", "$5", ""},
		Header: map[string]string{"X-K": `{"k":true}`, "X-P": "x"},
		Query:  map[string]string{"s": "s", "bad": "$.detail."},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if (*HTTPPart)(nil).of(doc) != nil {
		t.Error("a part of nothing")
	}
}
