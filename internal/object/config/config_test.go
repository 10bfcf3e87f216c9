package config

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"strings"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

func ids() func() string {
	n := 0
	return func() string { n++; return fmt.Sprint("made-", n) }
}

// check compares an error with a code and, after a colon, a part of its text.
func check(t *testing.T, doc string, err error, want string) {
	t.Helper()
	code, text, _ := strings.Cut(want, ": ")
	switch {
	case want == "" && err != nil:
		t.Errorf("%s: %v", doc, err)
	case want != "" && (err == nil || fault.Of(err).Code != code || !strings.Contains(err.Error(), text)):
		t.Errorf("%s: got %v, want %s", doc, err, want)
	}
}

const arn = "<CloudFunction>arn:aws:lambda:us-east-1:000000000000:function:f</CloudFunction>"

func function(rest string) string {
	return "<CloudFunctionConfiguration>" + arn + rest + "</CloudFunctionConfiguration>"
}

func filter(rules ...string) string {
	out := "<Filter><S3Key>"
	for i := 0; i < len(rules); i += 2 {
		out += "<FilterRule><Name>" + rules[i] + "</Name><Value>" + rules[i+1] + "</Value></FilterRule>"
	}
	return out + "</S3Key></Filter>"
}

func TestNotification(t *testing.T) {
	created := "<Event>s3:ObjectCreated:*</Event>"
	for doc, want := range map[string]string{
		"":                "",
		function(created): "",
		function(created) + "<EventBridgeConfiguration/>":                                                                 "",
		function(created + filter("prefix", "in/", "Suffix", ".mp4")):                                                     "",
		function(created+filter("suffix", ".mp4")) + function(created+filter("suffix", ".mov")):                           "",
		function(created+filter("prefix", "a/")) + function("<Event>s3:ObjectCreated:Put</Event>"+filter("prefix", "b/")): "",
		function(created+filter("prefix", "a")) + function("<Event>s3:ObjectRemoved:*</Event>"+filter("prefix", "a")):     "",
		function(created+filter("prefix", "a")) + function("<Event>s3:ObjectCreated:Put</Event>"+filter("prefix", "ab")):  "InvalidArgument: ambiguously defined",
		function(created) + function(created):                                                                             "InvalidArgument: ambiguously defined",
		function(created+filter("suffix", "4")) + function(created+filter("suffix", ".mp4")):                              "InvalidArgument: ambiguously defined",
		function(created+"<Id>a</Id>") + function("<Event>s3:ObjectRemoved:*</Event><Id>a</Id>"):                          "InvalidArgument: Same ID",
		function(""):                                                    "MalformedXML",
		function("<Event>s3:Nonsense</Event>"):                          "InvalidArgument: 's3:Nonsense' is not supported",
		function("<Event>s3:ObjectTagging:Put</Event>"):                 "NotImplemented: s3:ObjectTagging:Put",
		function("<Event>ObjectCreated:*</Event>"):                      "InvalidArgument",
		function(created + filter("infix", "a")):                        "InvalidArgument: either prefix or suffix",
		function(created + filter("prefix", "a", "Prefix", "b")):        "InvalidArgument: more than one prefix",
		function(created + filter("prefix", strings.Repeat("a", 1025))): "InvalidArgument: 1024",
		function(created + "<Novelty>1</Novelty>"):                      "NotImplemented: CloudFunctionConfiguration/Novelty",
		"<CloudFunctionConfiguration>" + created + "<CloudFunction>arn:aws:sns:us-east-1:0:t</CloudFunction></CloudFunctionConfiguration>": "InvalidArgument: not well formed",
		"<TopicConfiguration><Topic>arn:t</Topic>" + created + "</TopicConfiguration>":                                                     "NotImplemented: SNS topic \"arn:t\"",
		"<QueueConfiguration><Queue>arn:q</Queue>" + created + "</QueueConfiguration>":                                                     "NotImplemented: SQS queue",
		"<CloudFunctionConfiguration>": "MalformedXML",
	} {
		_, err := ParseNotification([]byte("<NotificationConfiguration>"+doc+"</NotificationConfiguration>"), ids())
		check(t, doc, err, want)
	}
	_, err := ParseNotification([]byte("<Other/>"), ids())
	check(t, "<Other/>", err, "MalformedXML")

	doc := `<NotificationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` +
		function("<Event>s3:ObjectCreated:*</Event><Event>s3:ObjectRemoved:Delete</Event>"+filter("prefix", "in/", "suffix", ".mp4")) +
		"<EventBridgeConfiguration/></NotificationConfiguration>"
	c, err := ParseNotification([]byte(doc), ids())
	if err != nil {
		t.Fatal(err)
	}
	kept, _ := json.Marshal(c)
	var again NotificationConfiguration
	if err := json.Unmarshal(kept, &again); err != nil {
		t.Fatal(err)
	}
	want := "[{made-1 [ObjectCreated:* ObjectRemoved:Delete] in/ .mp4 arn:aws:lambda:us-east-1:000000000000:function:f false} { []    true}]"
	if got := fmt.Sprint(again.Notifications()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	out, err := xml.Marshal(again.Answer())
	if want := strings.NewReplacer("<CloudFunctionConfiguration>", "<CloudFunctionConfiguration><Id>made-1</Id>", "<EventBridgeConfiguration/>",
		"<EventBridgeConfiguration></EventBridgeConfiguration>", "prefix", "Prefix", "suffix", "Suffix").Replace(doc); err != nil || string(out) != want {
		t.Errorf("got %s, want %s, %v", out, want, err)
	}
}

func rule(rest string) string {
	return "<LifecycleConfiguration><Rule><Status>Enabled</Status>" + rest + "</Rule></LifecycleConfiguration>"
}

func TestLifecycleIsChecked(t *testing.T) {
	days := "<Expiration><Days>1</Days></Expiration>"
	for doc, want := range map[string]string{
		rule("<Filter/>" + days):                                                "",
		rule("<Prefix>a</Prefix>" + days):                                       "",
		rule("<Filter><Prefix/></Filter>" + days):                               "",
		rule("<Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter>" + days): "",
		rule("<Filter><And><Prefix>p</Prefix><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan></And></Filter>" + days): "",
		rule("<Filter/><Expiration><Date>2030-01-01T00:00:00.000Z</Date></Expiration>"):                               "",
		rule("<Filter/><NoncurrentVersionExpiration><NoncurrentDays>3</NoncurrentDays><NewerNoncurrentVersions>2</NewerNoncurrentVersions></NoncurrentVersionExpiration>" +
			"<AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload>"): "",
		rule(days):                        "MalformedXML",
		rule("<Filter/>"):                 "InvalidRequest: At least one action",
		rule("<Filter/><Prefix/>" + days): "MalformedXML",
		rule("<Filter/><Expiration><Days>0</Days></Expiration>"):                                                                                                                      "InvalidArgument: positive",
		rule("<Filter/><Expiration><Days>1</Days><Date>2030-01-01T00:00:00Z</Date></Expiration>"):                                                                                     "MalformedXML",
		rule("<Filter/><Expiration><Date>2030-01-01T10:00:00Z</Date></Expiration>"):                                                                                                   "InvalidArgument: midnight",
		rule("<Filter/><Expiration><Date>soon</Date></Expiration>"):                                                                                                                   "MalformedXML",
		rule("<Filter/>" + days + "<Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition>"):                                                                      "NotImplemented: Transition",
		rule("<Filter/><NoncurrentVersionTransition/>"):                                                                                                                               "NotImplemented: NoncurrentVersionTransition",
		rule("<Filter><Prefix>a</Prefix><ObjectSizeLessThan>5</ObjectSizeLessThan></Filter>" + days):                                                                                  "MalformedXML",
		rule("<Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter><AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>"): "InvalidRequest: Tags",
		rule("<Filter/>" + days + "<Wonder/>"):                                                                                                                                        "NotImplemented: Rule/Wonder",
		"<LifecycleConfiguration/>":                                                                                                                                                   "MalformedXML",
		"<LifecycleConfiguration><Rule><ID>a</ID><Filter/><Status>Enabled</Status>" + days + "</Rule><Rule><ID>a</ID><Filter/><Status>Enabled</Status>" + days + "</Rule></LifecycleConfiguration>": "InvalidArgument: unique",
	} {
		c, err := ParseLifecycle([]byte(doc), ids())
		check(t, doc, err, want)
		if err != nil {
			continue
		}
		out, err := xml.Marshal(c.Answer())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseLifecycle(out, ids()); err != nil {
			t.Errorf("%s does not come back: %s: %v", doc, out, err)
		}
	}
}

func TestLifecycleActs(t *testing.T) {
	parse := func(rest string) Lifecycle {
		c, err := ParseLifecycle([]byte(rule(rest)), ids())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	at := func(s string) time.Time {
		v, err := time.Parse("2006-01-02 15:04", s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	o := Object{Key: "logs/a", Size: 100, Tags: map[string]string{"keep": "no"}, Created: at("2026-01-10 10:30")}
	for _, c := range []struct {
		rule, now string
		want      bool
	}{
		{"<Filter/><Expiration><Days>1</Days></Expiration>", "2026-01-11 23:59", false}, // to the next midnight
		{"<Filter/><Expiration><Days>1</Days></Expiration>", "2026-01-12 00:00", true},
		{"<Filter><Prefix>logs/</Prefix></Filter><Expiration><Days>1</Days></Expiration>", "2026-01-12 00:00", true},
		{"<Filter><Prefix>out/</Prefix></Filter><Expiration><Days>1</Days></Expiration>", "2027-01-12 00:00", false},
		{"<Filter><Tag><Key>keep</Key><Value>no</Value></Tag></Filter><Expiration><Days>1</Days></Expiration>", "2027-01-12 00:00", true},
		{"<Filter><Tag><Key>keep</Key><Value>yes</Value></Tag></Filter><Expiration><Days>1</Days></Expiration>", "2027-01-12 00:00", false},
		{"<Filter><ObjectSizeGreaterThan>99</ObjectSizeGreaterThan></Filter><Expiration><Days>1</Days></Expiration>", "2027-01-12 00:00", true},
		{"<Filter><ObjectSizeGreaterThan>100</ObjectSizeGreaterThan></Filter><Expiration><Days>1</Days></Expiration>", "2027-01-12 00:00", false},
		{"<Filter><ObjectSizeLessThan>100</ObjectSizeLessThan></Filter><Expiration><Days>1</Days></Expiration>", "2027-01-12 00:00", false},
		{"<Filter/><Expiration><Date>2026-02-01T00:00:00Z</Date></Expiration>", "2026-01-31 23:59", false},
		{"<Filter/><Expiration><Date>2026-02-01T00:00:00Z</Date></Expiration>", "2026-02-01 00:00", true},
		{"<Filter/><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>", "2027-02-01 00:00", false},
	} {
		rules := parse(c.rule)
		if got := rules.Expired(o, at(c.now)); got != c.want {
			t.Errorf("%s at %s: %v", c.rule, c.now, got)
		}
	}
	off := parse("<Filter/><Expiration><Days>1</Days></Expiration>")
	off.Rules[0].Status = "Disabled"
	if off.Expired(o, at("2030-01-01 00:00")) {
		t.Error("a disabled rule acted")
	}
	old := parse("<Filter/><NoncurrentVersionExpiration><NoncurrentDays>2</NoncurrentDays><NewerNoncurrentVersions>1</NewerNoncurrentVersions></NoncurrentVersionExpiration>")
	since := at("2026-01-20 10:00")
	if old.NoncurrentExpired(o, since, 0, at("2026-02-20 00:00")) || !old.NoncurrentExpired(o, since, 1, at("2026-02-20 00:00")) || old.NoncurrentExpired(o, since, 1, at("2026-01-22 23:00")) {
		t.Error("noncurrent versions")
	}
	marker := parse("<Filter/><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>")
	if !marker.MarkerExpired(Object{Key: "k"}, at("2026-01-01 00:00")) || old.MarkerExpired(Object{Key: "k"}, at("2030-01-01 00:00")) {
		t.Error("delete markers")
	}
	abort := parse("<Filter/><AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>")
	if abort.UploadExpired(o, at("2026-01-11 12:00")) || !abort.UploadExpired(o, at("2026-01-12 00:00")) {
		t.Error("uploads")
	}
}

func TestEncryptionAndPublicAccess(t *testing.T) {
	sse := func(inner string) string {
		return "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>" + inner + "</ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>"
	}
	for doc, want := range map[string]string{
		sse("<SSEAlgorithm>AES256</SSEAlgorithm>"):                                       "",
		sse("<SSEAlgorithm>aws:kms</SSEAlgorithm>"):                                      "NotImplemented: aws:kms",
		sse("<SSEAlgorithm>ROT13</SSEAlgorithm>"):                                        "InvalidArgument",
		sse("<SSEAlgorithm>AES256</SSEAlgorithm><KMSMasterKeyID>k</KMSMasterKeyID>"):     "InvalidArgument: KMSMasterKeyID",
		"<ServerSideEncryptionConfiguration/>":                                           "MalformedXML",
		"<ServerSideEncryptionConfiguration><Rule/></ServerSideEncryptionConfiguration>": "MalformedXML",
	} {
		_, err := ParseEncryption([]byte(doc))
		check(t, doc, err, want)
	}
	p, err := ParsePublicAccessBlock([]byte("<PublicAccessBlockConfiguration><BlockPublicPolicy>true</BlockPublicPolicy></PublicAccessBlockConfiguration>"))
	if err != nil || !p.BlockPublicPolicy || p.BlockPublicAcls {
		t.Errorf("%+v, %v", p, err)
	}
	_, err = ParsePublicAccessBlock([]byte("<PublicAccessBlockConfiguration><BlockPublicPolicy>perhaps</BlockPublicPolicy></PublicAccessBlockConfiguration>"))
	check(t, "perhaps", err, "MalformedXML")
}

func TestPublicPolicies(t *testing.T) {
	for doc, want := range map[string]bool{
		`{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}`:                                                                                                                  true,
		`{"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": "s3:GetObject", "Resource": "*"}`:                                                                                                       true,
		`{"Effect": "Allow", "NotPrincipal": {"AWS": "arn:aws:iam::000000000000:user/a"}, "Action": "s3:GetObject", "Resource": "*"}`:                                                                       true,
		`{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}`:                                                                                                                           false,
		`{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}, "Action": "s3:GetObject", "Resource": "*"}`:                                                                            false,
		`{"Effect": "Allow", "Principal": {"Service": "cloudfront.amazonaws.com"}, "Action": "s3:GetObject", "Resource": "*", "Condition": {"StringEquals": {"AWS:SourceArn": "arn:aws:cloudfront::0:d"}}}`: false,
		`{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*", "Condition": {"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "::1/128"]}}}`:                                         false,
		`{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*", "Condition": {"IpAddress": {"aws:SourceIp": "0.0.0.0/1"}}}`:                                                       true,
		`{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*", "Condition": {"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}`:                                                   true,
		`{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*", "Condition": {"StringLike": {"aws:PrincipalArn": "*"}}}`:                                                          true,
		`{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*", "Condition": {"StringEquals": {"aws:SourceArn": "arn:aws:x:::y"}}}`:                                               false,
		`{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*", "Condition": {"StringEqualsIfExists": {"aws:SourceArn": "arn:aws:x:::y"}}}`:                                       true,
		`{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "true"}}}`:                                                          true,
		`{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*", "Condition": {"StringLike": {"aws:Referer": "http://a/"}}}`:                                                       true,
	} {
		for _, whole := range []string{`{"Statement": ` + doc + `}`, `{"Statement": [` + doc + `]}`} {
			if got := IsPublic([]byte(whole)); got != want {
				t.Errorf("%s: public %v", whole, got)
			}
		}
	}
	for doc, want := range map[string]string{
		`{"Statement": [{"Action": ["s3:Get*", "S3:ListBucket"], "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]}]}`: "",
		`{"Statement": [{"Action": "ec2:Run", "Resource": "arn:aws:s3:::b"}]}`:                                          "MalformedPolicy: invalid action",
		`{"Statement": [{"Action": "s3:Get*", "Resource": "arn:aws:s3:::other/*"}]}`:                                    "MalformedPolicy: invalid resource",
		`{"Statement": [{"Action": "s3:Get*", "Resource": "arn:aws:s3:::bb"}]}`:                                         "MalformedPolicy: invalid resource",
		`<xml/>`: "MalformedPolicy: JSON",
		`{"Id": "` + strings.Repeat("x", MaxPolicyBytes) + `"}`: "MalformedPolicy: maximum",
	} {
		check(t, doc[:min(len(doc), 100)], CheckPolicy([]byte(doc), "b"), want)
	}
}

func FuzzNotification(f *testing.F) {
	f.Add("<NotificationConfiguration>" + function("<Event>s3:ObjectCreated:*</Event>"+filter("prefix", "a")) + "<EventBridgeConfiguration/></NotificationConfiguration>")
	f.Add(`<NotificationConfiguration xmlns="x"><a:b xmlns:a="c"/></NotificationConfiguration>`)
	f.Fuzz(func(t *testing.T, doc string) {
		c, err := ParseNotification([]byte(doc), ids())
		if err != nil {
			if fault.Of(err).Kind != fault.Invalid || fault.Of(err).Code == "" {
				t.Errorf("error %v", err)
			}
			return
		}
		out, err := xml.Marshal(c.Answer())
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseNotification(out, ids())
		if err != nil || fmt.Sprint(again.Notifications()) != fmt.Sprint(c.Notifications()) {
			t.Errorf("%q became %q, %v", doc, out, err)
		}
	})
}

func FuzzLifecycle(f *testing.F) {
	f.Add(rule("<Filter><And><Prefix>p</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter><Expiration><Days>1</Days></Expiration>"))
	f.Add(rule("<Prefix/><NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>"))
	f.Fuzz(func(t *testing.T, doc string) {
		c, err := ParseLifecycle([]byte(doc), ids())
		if err != nil {
			if fault.Of(err).Kind != fault.Invalid || fault.Of(err).Code == "" {
				t.Errorf("error %v", err)
			}
			return
		}
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		c.Expired(Object{Key: "k"}, now)
		c.MarkerExpired(Object{Key: "k"}, now)
		c.NoncurrentExpired(Object{Key: "k"}, now, 1, now)
		c.UploadExpired(Object{Key: "k"}, now)
		out, err := xml.Marshal(c.Answer())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseLifecycle(out, ids()); err != nil {
			t.Errorf("%q became %q: %v", doc, out, err)
		}
	})
}

func FuzzPolicy(f *testing.F) {
	f.Add(`{"Statement": [{"Effect": "Allow", "Principal": {"AWS": ["*", 1]}, "Condition": {"IpAddress": {"aws:SourceIp": ["1.2.3.4/9"]}}}]}`)
	f.Fuzz(func(t *testing.T, doc string) {
		IsPublic([]byte(doc))
		if err := CheckPolicy([]byte(doc), "bucket"); err != nil && fault.Of(err).Code != "MalformedPolicy" {
			t.Errorf("error %v", err)
		}
	})
}
