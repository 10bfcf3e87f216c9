package wafv2

import (
	"encoding/json"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/awsapi"
	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	waf "vodwright.dev/vodwright/internal/awsapi/wafv2"
	"vodwright.dev/vodwright/internal/fault"
)

const common = `{"Name":"edge","Scope":"CLOUDFRONT","DefaultAction":{"Allow":{}},"VisibilityConfig":{"SampledRequestsEnabled":true,"CloudWatchMetricsEnabled":true,"MetricName":"edge"},
"Rules":[{"Name":"common","Priority":1,"OverrideAction":{"Count":{}},"VisibilityConfig":{"SampledRequestsEnabled":true,"CloudWatchMetricsEnabled":true,"MetricName":"common"},
"Statement":{"ManagedRuleGroupStatement":{"VendorName":"AWS","Name":"AWSManagedRulesCommonRuleSet"}}}]}`

func TestMode(t *testing.T) {
	for config, want := range map[string]string{
		`{"Rules":[]}`: off,
		`{"Rules":[{"OverrideAction":{"Count":{}}}]}`: count,
		`{"Rules":[{"OverrideAction":{"None":{}}}]}`:  block,
	} {
		if got, err := Mode(json.RawMessage(config)); got != want || err != nil {
			t.Errorf("%s: %q, %v", config, got, err)
		}
	}
}

// FuzzRules holds that a document is refused or accepted, and that an accepted one
// is a record with a mode.
func FuzzRules(f *testing.F) {
	for _, seed := range []string{common, `{}`, `{"Rules":[null]}`, `{"Rules":[{"Statement":{"NotStatement":{"Statement":{"NotStatement":{}}}}}]}`} {
		f.Add([]byte(seed))
	}
	schema := &awsapi.Schema{}
	f.Fuzz(func(t *testing.T, doc []byte) {
		in := new(waf.CreateWebACLRequest)
		decoded, err := schema.DecodeJSON(doc, in)
		if err != nil || len(decoded.Violations) > 0 || len(schema.Validate(in)) > 0 {
			return
		}
		d := document{Description: in.Description, DefaultAction: in.DefaultAction, Rules: in.Rules, VisibilityConfig: in.VisibilityConfig}
		if err := check(&apiserver.Call{Unknown: decoded.Unknown}, in.Scope, d, nil); err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatal(err)
			}
			return
		}
		config, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if mode, err := Mode(config); err != nil || (mode == off) != (len(d.Rules) == 0) {
			t.Fatalf("%s: %q, %v", config, mode, err)
		}
		capacity(d.Rules)
	})
}

// A line as the firewall writes it (internal/waf).
func TestSampleOfALine(t *testing.T) {
	const line = `{"timestamp":1,"formatVersion":1,"webaclId":"arn:aws:wafv2:us-east-1:000000000000:global/webacl/a/1","terminatingRuleId":"Default_Action","terminatingRuleType":"REGULAR","action":"ALLOW",
"httpSourceName":"CF","httpSourceId":"E1","ruleGroupList":[{"ruleGroupId":"OWASP#CoreRuleSet","terminatingRule":null,"nonTerminatingMatchingRules":[{"ruleId":"941100 XSS","action":"COUNT"}]}],
"nonTerminatingMatchingRules":[{"ruleId":"OWASP#CoreRuleSet","action":"COUNT"}],
"httpRequest":{"clientIp":"127.0.0.1","country":"-","headers":[{"name":"Host","value":"h"}],"uri":"/","args":"q=1","httpVersion":"HTTP/1.1","httpMethod":"GET"},"labels":[{"name":"owasp:crs:941100"}]}`
	s, err := sampleOf(Logged{Time: time.UnixMilli(1), Text: line})
	if err != nil || *s.Action != "COUNT" || *s.OverriddenAction != "BLOCK" || *s.Request.URI != "/?q=1" || *s.RuleNameWithinRuleGroup != "OWASP#CoreRuleSet#941100" || *s.Labels[0].Name != "owasp:crs:941100" {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := sampleOf(Logged{Text: "no JSON"}); err == nil {
		t.Error("a line that is no JSON is a sample")
	}
}
