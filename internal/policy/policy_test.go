package policy_test

import (
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/policy"
)

func parse(t testing.TB, text string, kind policy.Kind) *policy.Document {
	t.Helper()
	d, err := policy.Parse(text, kind)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return d
}

func TestMalformedDocumentsAreRefusedWithTheirPlace(t *testing.T) {
	const ok = `"Effect": "Allow", "Action": "s3:*", "Resource": "*"`
	tests := []struct {
		name, text string
		kind       policy.Kind
		want       string
	}{
		{"nothing", ``, policy.Identity, "Syntax error at position (1,1)."},
		{"no JSON", "{\n  x}", policy.Identity, "Syntax error at position (2,"},
		{"a list", `[]`, policy.Identity, "an object is required"},
		{"null", `null`, policy.Identity, "Syntax error"},
		{"null inside", `{"Statement": null}`, policy.Identity, "Syntax error"},
		{"empty", `{}`, policy.Identity, "at least one statement"},
		{"no statement", `{"Version": "2012-10-17", "Statement": []}`, policy.Identity, "at least one statement"},
		{"version", `{"Version": "2012-10-18", "Statement": [{` + ok + `}]}`, policy.Identity, "Version: The policy must contain a valid version string"},
		{"number as version", `{"Version": 2012, "Statement": [{` + ok + `}]}`, policy.Identity, "Version: "},
		{"unknown top", `{"Statment": [{` + ok + `}]}`, policy.Identity, `no element "Statment"`},
		{"unknown element", `{"Statement": [{` + ok + `}, {` + ok + `, "Conditions": {}}]}`, policy.Identity, `Statement[1]: Syntax errors in policy: a statement has no element "Conditions".`},
		{"twice", `{"Statement": [{` + ok + `, "effect": "Deny"}]}`, policy.Identity, `Statement[0]: The element "effect" must not come twice.`},
		{"statements twice", `{"Statement": [{` + ok + `}], "Statement": []}`, policy.Identity, `must not come twice`},
		{"trailing", `{"Statement": {` + ok + `}} x`, policy.Identity, "Syntax error"},
		{"second document", `{"Statement": {` + ok + `}} {}`, policy.Identity, "Syntax error"},
		{"cut", `{"Statement": {` + ok, policy.Identity, "Syntax error"},
		{"nested", `{"Statement": [[{` + ok + `}]]}`, policy.Identity, "Statement[0]: Syntax errors in policy: an object is required."},
		{"effect", `{"Statement": {"Effect": "allow", "Action": "s3:*", "Resource": "*"}}`, policy.Identity, `Statement.Effect: Invalid effect "allow"`},
		{"no effect", `{"Statement": {"Action": "s3:*", "Resource": "*"}}`, policy.Identity, "Missing required field Effect."},
		{"no action", `{"Statement": {"Effect": "Allow", "Resource": "*"}}`, policy.Identity, "Policy statement must contain actions."},
		{"empty action", `{"Statement": {"Effect": "Allow", "Action": [], "Resource": "*"}}`, policy.Identity, "Policy statement must contain actions."},
		{"both actions", `{"Statement": {` + ok + `, "NotAction": "s3:*"}}`, policy.Identity, "Action and NotAction exclude each other."},
		{"action without vendor", `{"Statement": {"Effect": "Allow", "Action": "GetObject", "Resource": "*"}}`, policy.Identity, "Actions/Conditions must be prefaced by a vendor"},
		{"odd action", `{"Statement": {"Effect": "Allow", "NotAction": "s3:Get Object", "Resource": "*"}}`, policy.Identity, `Statement.NotAction: The action "s3:Get Object" is not valid.`},
		{"action of objects", `{"Statement": {"Effect": "Allow", "Action": {"s3": 1}, "Resource": "*"}}`, policy.Identity, "a string or a list of strings is required"},
		{"no resource", `{"Statement": {"Effect": "Allow", "Action": "s3:*"}}`, policy.Identity, "Policy statement must contain resources."},
		{"resource no ARN", `{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "bucket/*"}}`, policy.Identity, `Resource bucket/* must be in ARN format or "*".`},
		{"principal in identity", `{"Statement": {` + ok + `, "Principal": "*"}}`, policy.Identity, "Policy document should not specify a principal."},
		{"no principal", `{"Statement": {` + ok + `}}`, policy.Resource, "Missing required field Principal."},
		{"odd principal", `{"Statement": {` + ok + `, "Principal": {"AWS": "arn:aws:iam::1:user/a"}}}`, policy.Resource, `Invalid principal in policy: "AWS":"arn:aws:iam::1:user/a"`},
		{"wildcard principal", `{"Statement": {` + ok + `, "Principal": {"AWS": "arn:aws:iam::123456789012:user/*"}}}`, policy.Resource, `Invalid principal`},
		{"half a root", `{"Statement": {` + ok + `, "Principal": {"AWS": "123456789012:root"}}}`, policy.Resource, `Invalid principal`},
		{"principal type", `{"Statement": {` + ok + `, "Principal": {"aws": "*"}}}`, policy.Resource, `Invalid principal in policy: "aws":"*"`},
		{"service", `{"Statement": {` + ok + `, "Principal": {"Service": "lambda"}}}`, policy.Resource, `Invalid principal in policy: "Service":"lambda"`},
		{"nobody", `{"Statement": {` + ok + `, "Principal": {}}}`, policy.Resource, "there is none"},
		{"text as principal", `{"Statement": {` + ok + `, "Principal": "anna"}}`, policy.Resource, "Invalid principal in policy."},
		{"resource in trust", `{"Statement": {` + ok + `, "Principal": "*"}}`, policy.Trust, "Has prohibited field Resource."},
		{"sid", `{"Statement": {"Sid": "a b", ` + ok + `}}`, policy.Identity, "Statement IDs (SID) must be alpha-numeric."},
		{"same sid", `{"Statement": [{"Sid": "a", ` + ok + `}, {"Sid": "a", ` + ok + `}]}`, policy.Identity, "Statement[1].Sid: Statement IDs (SID) in a single policy must be unique."},
		{"operator", `{"Statement": {` + ok + `, "Condition": {"StringSame": {"aws:a": "b"}}}}`, policy.Identity, "Statement.Condition: Invalid Condition type : StringSame."},
		{"quantifier", `{"Statement": {` + ok + `, "Condition": {"ForSomeValues:StringEquals": {"aws:a": "b"}}}}`, policy.Identity, "Invalid Condition type"},
		{"key without vendor", `{"Statement": {` + ok + `, "Condition": {"StringEquals": {"a": "b"}}}}`, policy.Identity, "prefaced by a vendor"},
		{"number", `{"Statement": {` + ok + `, "Condition": {"NumericEquals": {"s3:max-keys": "ten"}}}}`, policy.Identity, `Statement.Condition.NumericEquals.s3:max-keys: "ten" is not a number`},
		{"not a number", `{"Statement": {` + ok + `, "Condition": {"NumericEquals": {"s3:max-keys": "NaN"}}}}`, policy.Identity, `is not a number`},
		{"date", `{"Statement": {` + ok + `, "Condition": {"DateLessThan": {"aws:CurrentTime": "soon"}}}}`, policy.Identity, `"soon" is not a date`},
		{"address", `{"Statement": {` + ok + `, "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/33"}}}}`, policy.Identity, `is not an IP address or a CIDR block`},
		{"bool", `{"Statement": {` + ok + `, "Condition": {"Bool": {"aws:SecureTransport": "yes"}}}}`, policy.Identity, `"yes" is not true or false`},
		{"null", `{"Statement": {` + ok + `, "Condition": {"Null": {"aws:a": "maybe"}}}}`, policy.Identity, `"maybe" is not true or false`},
		{"ARN", `{"Statement": {` + ok + `, "Condition": {"ArnLike": {"aws:SourceArn": "bucket"}}}}`, policy.Identity, `"bucket" is not an ARN`},
		{"condition list", `{"Statement": {` + ok + `, "Condition": []}}`, policy.Identity, "an object is required"},
		{"too large", `{"Statement": {` + ok + `}}` + strings.Repeat(" ", policy.MaxBytes), policy.Identity, "larger than"},
		{"no UTF-8", "{\"Statement\": \"\xff\"}", policy.Identity, "not UTF-8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := policy.Parse(tt.text, tt.kind)
			f := fault.Of(err)
			if err == nil || f.Kind != fault.Invalid || f.Code != policy.CodeMalformed || !strings.Contains(f.Message, tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestWhatIsWellFormed(t *testing.T) {
	for _, tt := range []struct {
		text string
		kind policy.Kind
	}{
		{`{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}`, policy.Identity},
		{`{"statement": [{"effect": "Allow", "action": ["*:*"], "resource": ["arn:aws:s3:::b/*"]}], "version": "2012-10-17", "id": "x"}`, policy.Identity},
		{`{"Statement": [{"Effect": "Deny", "NotAction": "iam:*", "NotResource": "*", "Condition": {"Bool": {"aws:SecureTransport": false}, "NumericLessThan": {"s3:max-keys": 10}}}]}`, policy.Identity},
		{`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": {"NumericLessThan": {"s3:max-keys": "${aws:PrincipalTag/max}"}, "IpAddress": {"aws:SourceIp": "${aws:VpcSourceIp}"}}}]}`, policy.Identity},
		{`{"Statement": {"Sid": "any thing", "Effect": "Allow", "Principal": {"AWS": ["*", "123456789012", "arn:aws:iam::123456789012:root", "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E123"], "CanonicalUser": "79a5", "Federated": "cognito-identity.amazonaws.com"}, "Action": "s3:Get?bject*", "Resource": "arn:aws:s3:::b/${x"}}`, policy.Resource},
		{`{"Statement": {"Effect": "Allow", "NotPrincipal": "*", "Action": "sts:AssumeRole"}}`, policy.Trust},
	} {
		parse(t, tt.text, tt.kind)
	}
}

// allow is an identity policy of one statement.
func allow(action, resource string) string {
	return `{"Version": "2012-10-17", "Statement": {"Sid": "Allows", "Effect": "Allow", "Action": "` + action + `", "Resource": "` + resource + `"}}`
}

// except is a resource policy that denies everything to all but those.
func except(arns ...string) string {
	return `{"Statement": {"Effect": "Deny", "Action": "s3:*", "Resource": "*", "NotPrincipal": {"AWS": ["` + strings.Join(arns, `", "`) + `"]}}}`
}

func deny(action, resource string) string {
	return strings.Replace(allow(action, resource), `"Allows", "Effect": "Allow"`, `"Denies", "Effect": "Deny"`, 1)
}

func grant(principal, action, resource string) string {
	return strings.Replace(allow(action, resource), `"Effect"`, `"Principal": `+principal+`, "Effect"`, 1)
}

func TestDecisionsAndTheirReasons(t *testing.T) {
	const object = "arn:aws:s3:::films/a.mp4"
	anna := policy.Principal{ARN: user, Account: account}
	job := policy.Principal{ARN: session, RoleARN: role, Account: account}
	cloudfront := policy.Principal{Service: service}
	anyone := policy.Principal{}
	stranger := policy.Principal{ARN: other, Account: foreign}
	type docs struct{ identity, boundary, session, resource, trust string }
	tests := []struct {
		name string
		who  policy.Principal
		docs docs
		want string // "allowed by LAYER", or the reason
	}{
		{"nothing", anna, docs{}, "because no identity-based policy allows the s3:GetObject action"},
		{"identity", anna, docs{identity: allow("s3:Get*", "*")}, "allowed by identity-based policy"},
		{"identity denies", anna, docs{identity: deny("s3:Get*", "*"), resource: grant(`"*"`, "s3:*", "*")}, "with an explicit deny in an identity-based policy"},
		{"boundary holds back", anna, docs{identity: allow("s3:*", "*"), boundary: allow("lambda:*", "*")}, "because no permissions boundary allows the s3:GetObject action"},
		{"boundary denies", anna, docs{identity: allow("s3:*", "*"), boundary: deny("s3:*", "*")}, "with an explicit deny in a permissions boundary"},
		{"boundary alone grants nothing", anna, docs{boundary: allow("s3:*", "*")}, "because no identity-based policy allows the s3:GetObject action"},
		{"session holds back", job, docs{identity: allow("s3:*", "*"), session: allow("s3:Put*", "*")}, "because no session policy allows the s3:GetObject action"},
		{"session denies", job, docs{identity: allow("s3:*", "*"), session: deny("s3:*", "*")}, "with an explicit deny in a session policy"},
		{"resource names the user", anna, docs{resource: grant(`{"AWS": "`+user+`"}`, "s3:*", "arn:aws:s3:::films/*")}, "allowed by resource-based policy"},
		{"resource names the user, boundary does not hold back", anna, docs{boundary: allow("lambda:*", "*"), resource: grant(`{"AWS": "`+user+`"}`, "s3:*", "*")}, "allowed by resource-based policy"},
		{"resource names the account", anna, docs{resource: grant(`{"AWS": "`+account+`"}`, "s3:*", "*")}, "because no identity-based policy allows the s3:GetObject action"},
		{"resource names the role", job, docs{resource: grant(`{"AWS": "`+role+`"}`, "s3:*", "*")}, "allowed by resource-based policy"},
		{"resource names the role, session holds back", job, docs{session: allow("lambda:*", "*"), resource: grant(`{"AWS": "`+role+`"}`, "s3:*", "*")}, "because no session policy allows the s3:GetObject action"},
		{"resource names the session, session policy does not hold back", job, docs{session: allow("lambda:*", "*"), resource: grant(`{"AWS": "`+session+`"}`, "s3:*", "*")}, "allowed by resource-based policy"},
		{"resource denies", anna, docs{identity: allow("s3:*", "*"), resource: strings.Replace(grant(`"*"`, "s3:*", "*"), `"Effect": "Allow"`, `"Effect": "Deny"`, 1)}, "with an explicit deny in a resource-based policy"},
		// The examples of the user guide's page on NotPrincipal.
		{"NotPrincipal excepts the user it names", anna, docs{identity: allow("s3:*", "*"), resource: except(user, "arn:aws:iam::"+account+":root")}, "allowed by identity-based policy"},
		{"NotPrincipal excepts no other user of the account", anna, docs{identity: allow("s3:*", "*"), resource: except("arn:aws:iam::"+account+":user/bob", "arn:aws:iam::"+account+":root")}, "with an explicit deny in a resource-based policy"},
		{"NotPrincipal excepts the account's root", policy.Principal{ARN: "arn:aws:iam::" + account + ":root", Account: account}, docs{identity: allow("s3:*", "*"), resource: except(account)}, "allowed by identity-based policy"},
		{"NotPrincipal excepts the session it names", job, docs{identity: allow("s3:*", "*"), resource: except(session, role, account)}, "allowed by identity-based policy"},
		{"NotPrincipal excepts no session by its role", job, docs{identity: allow("s3:*", "*"), resource: except(role, account)}, "with an explicit deny in a resource-based policy"},
		{"service", cloudfront, docs{resource: grant(`{"Service": "`+service+`"}`, "s3:GetObject", "arn:aws:s3:::films/*")}, "allowed by resource-based policy"},
		{"another service", cloudfront, docs{resource: grant(`{"Service": "lambda.amazonaws.com"}`, "s3:GetObject", "*")}, "because no resource-based policy allows the s3:GetObject action"},
		{"the public", anyone, docs{resource: grant(`"*"`, "s3:GetObject", "*")}, "allowed by resource-based policy"},
		{"the public, not named", anyone, docs{resource: grant(`{"AWS": "`+account+`"}`, "s3:GetObject", "*")}, "because no resource-based policy allows the s3:GetObject action"},
		{"a stranger, identity alone", stranger, docs{identity: allow("*", "*")}, "because no resource-based policy allows the s3:GetObject action"},
		{"a stranger, resource alone", stranger, docs{resource: grant(`{"AWS": "`+foreign+`"}`, "s3:*", "*")}, "because no identity-based policy allows the s3:GetObject action"},
		{"a stranger, both", stranger, docs{identity: allow("*", "*"), resource: grant(`{"AWS": "`+foreign+`"}`, "s3:*", "*")}, "allowed by identity-based policy"},
		{"trust names the account, the user may", anna, docs{identity: allow("s3:*", "*"), trust: account}, "allowed by identity-based policy"},
		{"trust names the account, the user may not", anna, docs{trust: account}, "because no identity-based policy allows the s3:GetObject action"},
		{"trust names another", anna, docs{identity: allow("*", "*"), trust: role}, "because no role trust policy allows the s3:GetObject action"},
		{"trust names the user", anna, docs{trust: user}, "allowed by role trust policy"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := policy.Policies{}
			if tt.docs.identity != "" {
				p.Identity = append(p.Identity, parse(t, tt.docs.identity, policy.Identity))
			}
			if tt.docs.boundary != "" {
				p.Boundary = parse(t, tt.docs.boundary, policy.Identity)
			}
			if tt.docs.session != "" {
				p.Session = []*policy.Document{parse(t, tt.docs.session, policy.Identity)}
			}
			if tt.docs.resource != "" {
				p.Resource = parse(t, tt.docs.resource, policy.Resource)
			}
			if tt.docs.trust != "" {
				p.Trust = true
				p.Resource = parse(t, `{"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Principal": {"AWS": "`+tt.docs.trust+`"}}}`, policy.Trust)
			}
			d := policy.Evaluate(&policy.Request{Principal: tt.who, Action: "s3:GetObject", Resource: object, ResourceAccount: account}, p)
			got := d.Reason("s3:GetObject")
			if d.Allowed {
				got = "allowed by " + d.Layer.String()
			}
			if got != tt.want {
				t.Errorf("got %q (%+v), want %q", got, d, tt.want)
			}
			if d.Explicit && !d.Allowed && d.Statement == "" {
				t.Errorf("%+v does not say which statement denied", d)
			}
		})
	}
}

func TestConditions(t *testing.T) {
	keys := map[string][]string{
		"aws:username": {"anna"}, "aws:sourceip": {"10.1.2.3"}, "s3:max-keys": {"7"}, "aws:currenttime": {"2026-03-04T05:06:07Z"}, "aws:epochtime": {"1772600767"},
		"aws:tagkeys": {"a", "b"}, "aws:securetransport": {"true"}, "aws:sourcearn": {"arn:aws:s3:::films"}, "aws:principalarn": {user}, "aws:bin": {"aGFsbG8="}, "aws:star": {"a*c"},
		"aws:mapped": {"::ffff:10.1.2.3"}, "aws:empty": {}, "aws:principaltag/net": {"10.0.0.0/8"}, "aws:principaltag/max": {"8"},
	}
	tests := []struct {
		condition string
		want      bool
	}{
		{`{"StringEquals": {"aws:UserName": "anna"}}`, true},
		{`{"stringequals": {"AWS:USERNAME": ["otto", "anna"]}}`, true},
		{`{"StringEquals": {"aws:username": "a*"}}`, false},
		{`{"StringEquals": {"aws:username": []}}`, false},
		{`{"StringNotEquals": {"aws:username": ["otto", "anna"]}}`, false},
		{`{"StringNotEquals": {"aws:absent": "anna"}}`, true},
		{`{"StringEqualsIgnoreCase": {"aws:username": "ANNA"}}`, true},
		{`{"StringLike": {"aws:username": "a?n*"}}`, true},
		{`{"StringLike": {"aws:star": "a${*}c"}}`, true},
		{`{"StringLike": {"aws:username": "an${*}"}}`, false},
		{`{"StringEquals": {"aws:username": "${aws:username}"}}`, true},
		{`{"StringEquals": {"aws:username": "${aws:absent, 'anna'}"}}`, true},
		{`{"StringEquals": {"aws:username": "${aws:absent,'anna'}"}}`, true},
		{`{"StringNotEquals": {"aws:username": "${aws:absent}"}}`, false},
		{`{"StringLike": {"aws:star": "${aws:username}"}}`, false},
		{`{"StringLike": {"aws:username": "${aws:star}"}}`, false},
		{`{"StringEquals": {"aws:tagkeys": "a"}}`, false},
		{`{"ForAnyValue:StringEquals": {"aws:tagkeys": "a"}}`, true},
		{`{"ForAllValues:StringEquals": {"aws:tagkeys": "a"}}`, false},
		{`{"ForAllValues:StringEquals": {"aws:tagkeys": ["a", "b", "c"]}}`, true},
		{`{"ForAllValues:StringEquals": {"aws:absent": "a"}}`, true},
		{`{"ForAllValues:StringEquals": {"aws:empty": "a"}}`, true},
		{`{"ForAnyValue:StringEquals": {"aws:absent": "a"}}`, false},
		{`{"ForAnyValue:StringNotEquals": {"aws:tagkeys": "a"}}`, true},
		{`{"StringEqualsIfExists": {"aws:absent": "a"}}`, true},
		{`{"Null": {"aws:absent": "true", "aws:empty": true, "aws:username": false}}`, true},
		{`{"Null": {"aws:username": "true"}}`, false},
		{`{"NumericLessThan": {"s3:max-keys": "7"}}`, false},
		{`{"NumericLessThanEquals": {"s3:max-keys": 7.0}}`, true},
		{`{"NumericGreaterThan": {"s3:max-keys": ["100", "6.9"]}}`, true},
		{`{"NumericLessThan": {"s3:max-keys": "${aws:PrincipalTag/max}"}}`, true},
		{`{"NumericNotEquals": {"aws:username": "7"}}`, false},
		{`{"DateGreaterThan": {"aws:CurrentTime": "2026-03-04"}}`, true},
		{`{"DateEquals": {"aws:CurrentTime": "2026-03-04T06:06:07+01:00"}}`, true},
		{`{"DateLessThan": {"aws:EpochTime": "2026-03-04T05:06Z"}}`, false},
		{`{"DateEquals": {"aws:EpochTime": 1772600767}}`, true},
		{`{"DateNotEquals": {"aws:CurrentTime": "1772600767"}}`, false},
		{`{"Bool": {"aws:SecureTransport": "TRUE"}}`, true},
		{`{"Bool": {"aws:username": "true"}}`, false},
		{`{"BinaryEquals": {"aws:bin": "aGFsbG8="}}`, true},
		{`{"IpAddress": {"aws:SourceIp": "10.0.0.1/8"}}`, true},
		{`{"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}`, true},
		{`{"IpAddress": {"aws:mapped": "10.1.2.3"}}`, true},
		{`{"IpAddress": {"aws:SourceIp": "${aws:PrincipalTag/net}"}}`, true},
		{`{"NotIpAddress": {"aws:SourceIp": ["192.168.0.0/16", "::1"]}}`, true},
		{`{"NotIpAddress": {"aws:username": "192.168.0.0/16"}}`, false},
		{`{"ArnLike": {"aws:SourceArn": "arn:*:s3:*:*:f*"}}`, true},
		{`{"ArnEquals": {"aws:SourceArn": "arn:aws:s3:::film?"}}`, true},
		{`{"ArnLike": {"aws:SourceArn": "arn:aws:s3*films"}}`, true}, // never: see below
		{`{"ArnLike": {"aws:PrincipalArn": "${aws:PrincipalArn}"}}`, true},
		{`{"ArnNotLike": {"aws:username": "arn:aws:s3:::films"}}`, false},
		{`{"StringEquals": {"aws:username": "anna"}, "Bool": {"aws:SecureTransport": "false"}}`, false},
	}
	for _, tt := range tests {
		text := `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": ` + tt.condition + `}}`
		if strings.Contains(tt.condition, "s3*films") { // an ARN has six parts
			if _, err := policy.Parse(text, policy.Identity); err == nil {
				t.Errorf("%s was accepted", tt.condition)
			}
			continue
		}
		d := policy.Evaluate(&policy.Request{Principal: policy.Principal{ARN: user, Account: account}, Action: "s3:GetObject", Resource: "arn:aws:s3:::films/a", Keys: policy.Values(keys)},
			policy.Policies{Identity: []*policy.Document{parse(t, text, policy.Identity)}})
		if d.Allowed != tt.want {
			t.Errorf("%s: %v, want %v", tt.condition, d.Allowed, tt.want)
		}
	}
}

func TestResources(t *testing.T) {
	keys := policy.Values(map[string][]string{"aws:username": {"a*b"}, "s3:x": {"a:b"}})
	tests := []struct {
		pattern, resource string
		want              bool
	}{
		{"*", "*", true},
		{"arn:aws:s3:::*", "*", false},
		{"arn:aws:s3:::films/*", "arn:aws:s3:::films/a:b/c?d*", true},
		{"arn:aws:s3:::films/*", "arn:aws:s3:::films", false},
		{"arn:aws:s3:::films/${aws:username}", "arn:aws:s3:::films/a*b", true},
		{"arn:aws:s3:::films/${aws:username}", "arn:aws:s3:::films/aXb", false},
		{"arn:aws:s3:::films/${s3:x}/*", "arn:aws:s3:::films/a:b/c", true},
		{"arn:aws:s3:::films/${aws:absent}/*", "arn:aws:s3:::films/a/c", false},
		{"arn:aws:s3:::films/${$}x", "arn:aws:s3:::films/$x", true},
		{"arn:aws:s3:::films/?.mp4", "arn:aws:s3:::films/ü.mp4", true},
		{"arn:aws:s3:::films/?.mp4", "arn:aws:s3:::films/üü.mp4", false},
		{"arn:aws:s3:::Films/*", "arn:aws:s3:::films/a", false},
		{"arn:aws:*:films/*", "arn:aws:s3:::films/a", false}, // no wildcard reaches over a part
		{"arn:aws:mediaconvert", "arn:aws:mediaconvert:us-east-1:1:jobs/1", true},
		{"arn:aws:mediaconvert:*:*:jobs/*", "arn:aws:mediaconvert:us-east-1:1:jobs/1", true},
	}
	for _, tt := range tests {
		d := policy.Evaluate(&policy.Request{Principal: policy.Principal{ARN: user, Account: account}, Action: "s3:GetObject", Resource: tt.resource, Keys: keys},
			policy.Policies{Identity: []*policy.Document{parse(t, allow("s3:*", tt.pattern), policy.Identity)}})
		if d.Allowed != tt.want {
			t.Errorf("%s over %s: %v", tt.pattern, tt.resource, d.Allowed)
		}
	}
}

func TestOldVersionHasNoVariables(t *testing.T) {
	d := parse(t, strings.Replace(allow("s3:*", "arn:aws:s3:::films/${aws:username}"), "2012-10-17", "2008-10-17", 1), policy.Identity)
	ask := func(resource string) bool {
		return policy.Evaluate(&policy.Request{
			Principal: policy.Principal{ARN: user, Account: account}, Action: "s3:GetObject", Resource: resource,
			Keys: policy.Values(map[string][]string{"aws:username": {"anna"}}),
		}, policy.Policies{Identity: []*policy.Document{d}}).Allowed
	}
	if ask("arn:aws:s3:::films/anna") || !ask("arn:aws:s3:::films/${aws:username}") {
		t.Error("a variable was read in a document of version 2008-10-17")
	}
}

func TestPublic(t *testing.T) {
	tests := []struct {
		principal, condition string
		want                 bool
	}{
		{`"*"`, ``, true},
		{`{"AWS": "*"}`, ``, true},
		{`{"AWS": "` + account + `"}`, ``, false},
		{`{"Service": "` + service + `"}`, ``, false},
		{`"*"`, `{"StringEquals": {"aws:SourceArn": "arn:aws:cloudfront::1:distribution/E"}}`, false},
		{`"*"`, `{"StringLike": {"aws:SourceArn": "*"}}`, true},
		{`"*"`, `{"StringNotEquals": {"aws:SourceArn": "x"}}`, true},
		{`"*"`, `{"StringEqualsIfExists": {"aws:SourceArn": "x"}}`, true},
		{`"*"`, `{"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}`, false},
		{`"*"`, `{"IpAddress": {"aws:SourceIp": "0.0.0.0/1"}}`, true},
		{`"*"`, `{"StringLike": {"aws:userid": "AROAEXAMPLE:*"}}`, false},
		{`"*"`, `{"StringEquals": {"aws:Referer": "x"}}`, true},
		{`"*"`, `{"Bool": {"aws:SecureTransport": "true"}}`, true},
	}
	for _, tt := range tests {
		text := grant(tt.principal, "s3:GetObject", "*")
		if tt.condition != "" {
			text = strings.Replace(text, `"Effect"`, `"Condition": `+tt.condition+`, "Effect"`, 1)
		}
		if got := parse(t, text, policy.Resource).Public(); got != tt.want {
			t.Errorf("%s %s: %v", tt.principal, tt.condition, got)
		}
	}
}

func TestKeysAndPrincipalsOfADocument(t *testing.T) {
	d := parse(t, `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": ["`+role+`", "`+account+`"]}, "Action": "s3:*", "Resource": "arn:aws:s3:::films/${aws:UserName}",
		"Condition": {"StringLike": {"s3:prefix": "${aws:PrincipalTag/home}/*"}, "Null": {"aws:username": "false"}}}]}`, policy.Resource)
	if got := strings.Join(d.Keys(), " "); got != "aws:username s3:prefix aws:principaltag/home" {
		t.Errorf("keys %s", got)
	}
	if got := strings.Join(d.Principals(), " "); got != role+" "+account {
		t.Errorf("principals %s", got)
	}
}
