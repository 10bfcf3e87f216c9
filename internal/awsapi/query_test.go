package awsapi_test

import (
	"bytes"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/awsapi"
	"vodwright.dev/vodwright/internal/awsapi/events"
	"vodwright.dev/vodwright/internal/awsapi/iam"
	"vodwright.dev/vodwright/internal/awsapi/lambda"
	"vodwright.dev/vodwright/internal/awsapi/logs"
	"vodwright.dev/vodwright/internal/awsapi/mediaconvert"
	"vodwright.dev/vodwright/internal/awsapi/sts"
)

func TestDecodeQuery(t *testing.T) {
	form, err := url.ParseQuery("Action=CreateRole&Version=2010-05-08&RoleName=r&AssumeRolePolicyDocument=%7B%7D&MaxSessionDuration=7200" +
		"&Tags.member.10.Key=k10&Tags.member.10.Value=v10&Tags.member.2.Key=k2&Tags.member.2.Value=&Nope.member.1=x")
	if err != nil {
		t.Fatal(err)
	}
	var in iam.CreateRoleRequest
	d, err := new(awsapi.Schema).DecodeQuery(form, &in)
	if err != nil || len(d.Violations) > 0 {
		t.Fatal(d.Violations, err)
	}
	if *in.RoleName != "r" || *in.AssumeRolePolicyDocument != "{}" || *in.MaxSessionDuration != 7200 {
		t.Errorf("got %+v", in)
	}
	if len(in.Tags) != 2 || *in.Tags[0].Key != "k2" || *in.Tags[0].Value != "" || *in.Tags[1].Value != "v10" {
		t.Errorf("tags in the wrong order or number: %+v", in.Tags)
	}
	if !reflect.DeepEqual(d.Unknown, []string{"/Nope"}) {
		t.Errorf("unknown members: %v", d.Unknown)
	}
}

func TestDecodeQueryRefuses(t *testing.T) {
	s := new(awsapi.Schema)
	if _, err := s.DecodeQuery(url.Values{strings.Repeat("a.", 100) + "b": {""}}, new(iam.CreateRoleRequest)); err == nil {
		t.Error("a field that nests too deep was accepted")
	}
	many := url.Values{}
	for i := range 10_001 {
		many[strings.Repeat("x", i%100)+string(rune(i))] = []string{""}
	}
	if _, err := s.DecodeQuery(many, new(iam.CreateRoleRequest)); len(many) > 10_000 && err == nil {
		t.Error("too many fields were accepted")
	}
	d, err := s.DecodeQuery(url.Values{"MaxSessionDuration": {"soon"}}, new(iam.CreateRoleRequest))
	if err != nil || len(d.Violations) != 1 || d.Violations[0].Path != "/MaxSessionDuration" {
		t.Errorf("got %v %v, want the violation of one member", d.Violations, err)
	}
}

func TestEncodeQuery(t *testing.T) {
	var out bytes.Buffer
	err := new(awsapi.Schema).EncodeQuery(&out, "GetCallerIdentity", "GetCallerIdentityResult", "https://sts.amazonaws.com/doc/2011-06-15/", "id-1",
		&sts.GetCallerIdentityResponse{Account: new("000000000000")})
	want := `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Account>000000000000</Account></GetCallerIdentityResult>` +
		`<ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></GetCallerIdentityResponse>`
	if err != nil || !strings.HasSuffix(out.String(), want) {
		t.Errorf("got %s, %v", out.String(), err)
	}
}

func TestEncodeQueryWritesMapsByKey(t *testing.T) {
	var out bytes.Buffer
	err := new(awsapi.Schema).EncodeQuery(&out, "GetAccountSummary", "GetAccountSummaryResult", "", "id-1",
		&iam.GetAccountSummaryResponse{SummaryMap: map[string]int32{"Users": 2, "Roles": 0}})
	want := `<SummaryMap><entry><key>Roles</key><value>0</value></entry><entry><key>Users</key><value>2</value></entry></SummaryMap>`
	if err != nil || !strings.Contains(out.String(), want) {
		t.Errorf("got %s, %v", out.String(), err)
	}
}

// TestPatternsAreOfTheWholeText checks it in an API of each kind of pattern.
func TestPatternsAreOfTheWholeText(t *testing.T) {
	const key = "01234567-89ab-cdef-0123-456789abcdef"
	for _, c := range []struct {
		in   any
		good bool
	}{
		{&iam.GetRoleRequest{RoleName: new("a.b")}, true},
		{&iam.GetRoleRequest{RoleName: new("a b")}, false},
		{&iam.GetRoleRequest{RoleName: new("ab\n")}, false},
		{&logs.DeleteLogGroupRequest{LogGroupName: new("/aws/lambda/f")}, true},
		{&logs.DeleteLogGroupRequest{LogGroupName: new("/aws/lambda f")}, false},
		{&lambda.DeleteFunctionRequest{FunctionName: new("arn:aws:lambda:us-east-1:000000000000:function:f")}, true},
		{&lambda.DeleteFunctionRequest{FunctionName: new("f/../g")}, false},
		{&events.DeleteRuleRequest{Name: new("a-rule")}, true},
		{&events.DeleteRuleRequest{Name: new("a rule")}, false},
		{&mediaconvert.Mp4Settings{SigningKmsKey: new("arn:aws:kms:us-east-1:000000000000:key/" + key)}, true},
		{&mediaconvert.Mp4Settings{SigningKmsKey: new("arn:aws:kms:us-east-1:000000000000:key/mrk-0123456789abcdef0123456789abcdef")}, true},
		{&mediaconvert.Mp4Settings{SigningKmsKey: new(key)}, true},
		{&mediaconvert.Mp4Settings{SigningKmsKey: new(key + "0")}, false},
	} {
		if got := new(awsapi.Schema).Validate(c.in); len(got) == 0 != c.good {
			t.Errorf("%+v: %v, want good %v", c.in, got, c.good)
		}
	}
}

func FuzzDecodeQuery(f *testing.F) {
	f.Add("Action=CreateRole&Tags.member.1.Key=k&Tags.member.1.Value=v")
	f.Add("Tags.1.2.3=4&Tags.member.-1.Key=&.=.&..")
	s := new(awsapi.Schema)
	f.Fuzz(func(_ *testing.T, query string) {
		form, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		in := new(iam.CreateRoleRequest)
		if _, err := s.DecodeQuery(form, in); err == nil {
			s.Validate(in)
		}
	})
}
