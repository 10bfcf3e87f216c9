package function

import (
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/fault"
)

func TestNamesOfFunctions(t *testing.T) {
	f := New(Config{})
	for _, c := range []struct{ given, qualifier, name, want string }{
		{"f", "", "f", ""},
		{"f:1", "", "f", "1"},
		{"f", "live", "f", "live"},
		{"f:live", "live", "f", "live"},
		{"f:$LATEST", "", "f", "$LATEST"},
		{"000000000000:function:f", "", "f", ""},
		{"arn:aws:lambda:us-east-1:000000000000:function:f:2", "", "f", "2"},
	} {
		name, qualifier, err := f.Parse(c.given, c.qualifier)
		if err != nil || name != c.name || qualifier != c.want {
			t.Errorf("%s %s: %q %q %v", c.given, c.qualifier, name, qualifier, err)
		}
	}
	for _, given := range []string{
		"", "f/g", "f:1:2", "../f", "arn:aws:lambda:us-east-1:000000000000:layer:f", "arn:aws:lambda:eu-west-1:000000000000:function:f",
		"arn:aws:lambda:us-east-1:111111111111:function:f", "111111111111:function:f", "f:", "arn:aws:s3:::b", strings.Repeat("x", 65), "f:l!",
	} {
		if given == "f:" {
			continue // no qualifier
		}
		if name, qualifier, err := f.Parse(given, ""); err == nil {
			t.Errorf("%q is %q %q", given, name, qualifier)
		}
	}
	if _, _, err := f.Parse("f:1", "2"); !fault.Is(err, fault.Invalid) {
		t.Errorf("two qualifiers: %v", err)
	}
}

func TestLineageCounts(t *testing.T) {
	const arn, other = "arn:aws:lambda:us-east-1:000000000000:function:f", "arn:aws:lambda:us-east-1:000000000000:function:g"
	header := ""
	for round := range 20 {
		l := readLineage(header)
		if l.count(arn) != round {
			t.Fatalf("round %d: %d of %q", round, l.count(arn), header)
		}
		header = strings.ReplaceAll(l.next(arn).String(), "|", "%7C") // as botocore sends it
		header = readLineage(header).next(other).String()
	}
	if !strings.HasPrefix(header, "Root=1-") || strings.Count(header, "Lineage=") != 1 {
		t.Errorf("got %q", header)
	}
	if l := readLineage("Root=1-aaaaaaaa-bbbbbbbbbbbbbbbbbbbbbbbb;Parent=x;Sampled=1"); l.next(arn).root != "1-aaaaaaaa-bbbbbbbbbbbbbbbbbbbbbbbb" {
		t.Errorf("the root is lost: %q", l.root)
	}
}

func FuzzLineage(f *testing.F) {
	f.Add("Root=1-a;Parent=b;Sampled=0;Lineage=01234567:3|89abcdef:1")
	f.Add("Lineage=%7c%7C:|::;;==")
	f.Fuzz(func(t *testing.T, header string) {
		l := readLineage(header)
		before := l.count("arn")
		out := l.next("arn").String()
		if got := readLineage(out).count("arn"); got != before+1 && before < 1<<15 {
			t.Errorf("%d after %d: %q → %q", got, before, header, out)
		}
		if strings.ContainsAny(out, "\r\n") || len(out) > 4096 {
			t.Errorf("%q", out)
		}
	})
}

func TestTargets(t *testing.T) {
	for arn, want := range map[string]bool{
		"arn:aws:s3:::bucket": true, "arn:aws:lambda:us-east-1:000000000000:function:f": true, "arn:aws:events:us-east-1:000000000000:event-bus/default": true,
		"arn:aws:sqs:us-east-1:000000000000:q": false, "arn:aws:sns:us-east-1:000000000000:t": false, "arn:aws:s3:::bucket/key": false, "bucket": false, "arn:aws:s3:::": false,
	} {
		if err := CheckTarget(arn); (err == nil) != want {
			t.Errorf("%s: %v", arn, err)
		}
	}
}

func TestPolicyDocument(t *testing.T) {
	f := New(Config{})
	fn := Function{Name: "f"}
	if f.Policy(fn, "") != nil {
		t.Error("a policy without statements")
	}
	fn.setPolicy("", []Permission{
		{ID: "a", Principal: "000000000000", Action: "lambda:*"}, {ID: "b", Principal: "arn:aws:iam::000000000000:role/r", Action: "lambda:InvokeFunction"}, {ID: "c", Principal: "*", Action: "lambda:GetFunction"},
	})
	const want = `{"Version":"2012-10-17","Id":"default","Statement":[` +
		`{"Sid":"a","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:root"},"Action":"lambda:*","Resource":"arn:aws:lambda:us-east-1:000000000000:function:f"},` +
		`{"Sid":"b","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:role/r"},"Action":"lambda:InvokeFunction","Resource":"arn:aws:lambda:us-east-1:000000000000:function:f"},` +
		`{"Sid":"c","Effect":"Allow","Principal":"*","Action":"lambda:GetFunction","Resource":"arn:aws:lambda:us-east-1:000000000000:function:f"}]}`
	if got := string(f.Policy(fn, Latest)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
