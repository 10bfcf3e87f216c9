package cloudfront

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"vodwright.dev/vodwright/internal/awsapi"
	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	cf "vodwright.dev/vodwright/internal/awsapi/cloudfront"
	"vodwright.dev/vodwright/internal/fault"
)

// nothing is a Store in which every resource is missing.
type nothing struct{ Store }

func (nothing) Resource(_ context.Context, r Reference) (Resource, error) {
	return Resource{}, NoSuch(r.Kind)
}

// FuzzConfig holds that a document is refused or accepted, never more: an accepted
// one becomes a record that is shown and deployed, and showing it and taking back
// what was shown gives the same.
func FuzzConfig(f *testing.F) {
	seeds, err := filepath.Glob("testdata/configs/*.xml")
	if err != nil || len(seeds) != 2 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, name := range seeds {
		doc, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(doc)
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		s := &server{cfg: Config{Account: "000000000000", DomainSuffix: "cdn.localhost", Store: nothing{}}, schema: &awsapi.Schema{}}
		in := new(cf.DistributionConfig)
		d, err := s.schema.DecodeXML(doc, "DistributionConfig", in)
		if err != nil || len(d.Violations) > 0 || len(s.schema.Validate(in)) > 0 {
			return
		}
		call := &apiserver.Call{BaseURL: "http://vod.example.com", Unknown: d.Unknown}
		record, err := s.record(call, in)
		if err != nil {
			if k := fault.KindOf(err); k != fault.Invalid && k != fault.NotFound {
				t.Fatalf("a document made the fault %v: %v", k, err)
			}
			return
		}
		shown, err := configOf(record)
		if err != nil {
			t.Fatal(err)
		}
		again, err := s.record(call, shown)
		if err != nil {
			t.Fatalf("what was shown is refused: %v", err)
		}
		twice, err := configOf(again)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(shown, twice) {
			a, _ := json.Marshal(shown)
			b, _ := json.Marshal(twice)
			t.Fatalf("shown\n%s\nthen\n%s", a, b)
		}
		if _, err := Deploy(t.Context(), nothing{}, "000000000000", record); err != nil && !fault.Is(err, fault.NotFound) {
			t.Fatalf("deploy: %v", err)
		}
	})
}

func FuzzInvalidationPaths(f *testing.F) {
	for _, p := range []string{"/", "/*", "/a%20b*", "/a?b=*", "a", "/%", "/a*b", "/%2a", "/é"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p string) {
		paths, err := checkPaths(&cf.InvalidationBatch{CallerReference: new("x"), Paths: &cf.Paths{Items: []string{p}, Quantity: new(int32(1))}})
		if err == nil && (len(paths) != 1 || paths[0] == "" || paths[0][0] != '/') {
			t.Fatalf("%q became %q", p, paths)
		}
	})
}

// The seeds of FuzzConfig are worth something: they are accepted.
func TestSeedsAreAccepted(t *testing.T) {
	seeds, err := filepath.Glob("testdata/configs/*.xml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range seeds {
		doc, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		s := &server{cfg: Config{DomainSuffix: "cdn.localhost"}, schema: &awsapi.Schema{}}
		in := new(cf.DistributionConfig)
		if _, err := s.schema.DecodeXML(doc, "DistributionConfig", in); err != nil {
			t.Fatal(err)
		}
		if v := s.schema.Validate(in); len(v) > 0 {
			t.Errorf("%s: %v", name, v)
		}
		if _, err := s.record(&apiserver.Call{BaseURL: "http://vod.example.com"}, in); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
