package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"vodwright.dev/vodwright/test/harness"
)

const (
	aboutEdge = "Eight keep-alive connections ask a distribution, and nginx with the same files in a folder (two workers, sendfile), in turns, both with an access log that is written once a second: " +
		"server CPU per GB for segments of 1 MiB and per request for playlists of 2 KB, over HTTP/1.1 and over TLS 1.3 with an ECDSA P-256 certificate. " +
		"The client shares the machine, so throughput would say little; server CPU is what a byte costs. " +
		"Then the same distribution beside one with the firewall in count mode, which looks at requests after they were answered."
	edgeConnections = 8
	segmentSize     = 1 << 20
	playlistSize    = 2 << 10
	segmentFiles    = 64
	playlistFiles   = 16
	// What one round asks for: enough CPU time for the kernel's clock of 10 ms, few
	// enough that a round takes seconds.
	segmentRequests  = 4096
	playlistRequests = 60_000
)

// Most that Vodwright may need of what nginx needs.
var edgeLimits = map[string]float64{
	"1 MiB segments over HTTP": 0.8, "1 MiB segments over HTTPS": 1.0, "2 KB playlists over HTTP": 1.4, "2 KB playlists over HTTPS": 1.0,
}

// load is what viewers ask for in one round.
type load struct {
	name  string
	paths []string
	size  int // of each
	count int // requests
	unit  string
	per   func(cpu time.Duration, l load) float64 // CPU in unit
}

func loads() []load {
	l := []load{
		{
			name: "1 MiB segments", size: segmentSize, count: segmentRequests, unit: "CPU s per GB",
			per: func(cpu time.Duration, l load) float64 {
				return cpu.Seconds() / (float64(l.count) * float64(l.size) / 1e9)
			},
		},
		{
			name: "2 KB playlists", size: playlistSize, count: playlistRequests, unit: "CPU µs per request",
			per: func(cpu time.Duration, l load) float64 { return cpu.Seconds() * 1e6 / float64(l.count) },
		},
	}
	for i := range segmentFiles {
		l[0].paths = append(l[0].paths, fmt.Sprintf("/stream/segment_%05d.ts", i))
	}
	for i := range playlistFiles {
		l[1].paths = append(l[1].paths, fmt.Sprintf("/stream/rung_%d.m3u8", i))
	}
	return l
}

func benchEdge(ctx context.Context, b *bench, r *report) (err error) {
	root := filepath.Join(b.dir, "edge-files")
	files, err := edgeFiles(root)
	if err != nil {
		return err
	}
	s, err := b.serve(ctx, filepath.Join(b.dir, "edge-data"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	control, err := s.putFiles(ctx, files)
	if err != nil {
		return err
	}
	host, err := s.distribution(ctx, control, "", files)
	if err != nil {
		return err
	}
	n, err := b.startNginx(ctx, root)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.stop()) }()

	ours := contender{name: "Vodwright", host: host, http: strings.TrimPrefix(s.HTTP, "http://"), https: strings.TrimPrefix(s.HTTPS, "https://"), pids: []int{s.PID}}
	if ours.roots, err = poolOf(s.CAFile); err != nil {
		return err
	}
	theirs := contender{name: "nginx", host: "localhost", http: n.http, https: n.https, pids: n.pids, roots: n.roots}
	version, _, err := nginxVersion(ctx)
	if err != nil {
		return err
	}
	r.line("Compared with %s.", version)

	suites, err := b.compare(ctx, r, ours, theirs, files, edgeLimits)
	if err != nil {
		return err
	}
	r.line("Over HTTPS: %s for Vodwright, %s for nginx.", suites[0], suites[1])

	acl, err := s.countingACL(ctx)
	if err != nil {
		return err
	}
	counted := ours
	counted.name = "with firewall"
	if counted.host, err = s.distribution(ctx, control, acl, files); err != nil {
		return err
	}
	ours.name = "without"
	_, err = b.compare(ctx, r, counted, ours, files, nil)
	return err
}

// compare measures two contenders in turns, over HTTP and HTTPS. limits of their
// ratio are by load.
func (b *bench) compare(ctx context.Context, r *report, one, other contender, files map[string][]byte, limits map[string]float64) (suites [2]string, err error) {
	rows := [][]string{{"", one.name, other.name, "ratio"}}
	for _, secure := range []bool{false, true} {
		for _, l := range loads() {
			var our, their sample
			for i := range b.runs + 1 {
				a, err := one.round(ctx, l, secure, files)
				if err != nil {
					return suites, fmt.Errorf("%s: %w", one.name, err)
				}
				z, err := other.round(ctx, l, secure, files)
				if err != nil {
					return suites, fmt.Errorf("%s: %w", other.name, err)
				}
				suites[0], suites[1] = a.suite, z.suite
				if i == 0 {
					continue // caches
				}
				our = append(our, l.per(a.cpu, l))
				their = append(their, l.per(z.cpu, l))
				b.logf("edge: %s, TLS %v: %.2f and %.2f %s; wall %.1f and %.1f s", l.name, secure, l.per(a.cpu, l), l.per(z.cpu, l), l.unit, a.wall.Seconds(), z.wall.Seconds())
			}
			name := l.name + map[bool]string{false: " over HTTP", true: " over HTTPS"}[secure]
			ratio := our.over(their)
			rows = append(rows, []string{name + ", " + l.unit, our.show("%.2f"), their.show("%.2f"), ratio.show("%.2f")})
			if limit, ok := limits[name]; ok {
				r.atMost(name+": CPU, ratio to nginx", ratio.median(), limit, "%.2f")
			}
		}
	}
	r.table(rows...)
	return suites, nil
}

// edgeFiles makes the files in a folder and returns them by path. They look like
// what they are called only as far as their names go.
func edgeFiles(root string) (map[string][]byte, error) {
	if err := os.MkdirAll(filepath.Join(root, "stream"), 0o755); err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	bytesOf := &pattern{}
	for _, l := range loads() {
		for _, p := range l.paths {
			data := make([]byte, l.size)
			_, _ = bytesOf.Read(data)
			files[p] = data
			if err := os.WriteFile(filepath.Join(root, filepath.FromSlash(p)), data, 0o644); err != nil {
				return nil, err
			}
		}
	}
	// nginx's workers may be another user.
	return files, os.Chmod(root, 0o755)
}

// The buckets of files and of access logs.
const filesBucket, logsBucket = "bench-streams", "bench-logs"

// putFiles uploads the files and lets distributions read them, by the origin
// access control whose id it returns.
func (s *server) putFiles(ctx context.Context, files map[string][]byte) (control string, err error) {
	if err := errors.Join(s.makeBucket(ctx, filesBucket), s.makeBucket(ctx, logsBucket)); err != nil {
		return "", err
	}
	for path, data := range files {
		if err := s.put(ctx, filesBucket, strings.TrimPrefix(path, "/"), data); err != nil {
			return "", err
		}
	}
	policy := `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "cloudfront.amazonaws.com"},
		"Action": "s3:GetObject", "Resource": "arn:aws:s3:::` + filesBucket + `/*"}]}`
	if _, err := s.s3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: aws.String(filesBucket), Policy: &policy}); err != nil {
		return "", fmt.Errorf("put bucket policy: %w", err)
	}
	const config = `<OriginAccessControlConfig xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/"><Name>bench</Name>` +
		`<OriginAccessControlOriginType>s3</OriginAccessControlOriginType><SigningBehavior>always</SigningBehavior><SigningProtocol>sigv4</SigningProtocol></OriginAccessControlConfig>`
	var made struct {
		ID string `xml:"Id"`
	}
	if err := s.Call(ctx, "cloudfront", "POST", "/2020-05-31/origin-access-control", []byte(config), &made); err != nil {
		return "", fmt.Errorf("make origin access control: %w", err)
	}
	return made.ID, nil
}

// countingACL makes a web ACL of the core rule set in count mode and returns its ARN.
func (s *server) countingACL(ctx context.Context) (string, error) {
	const visible = `{"SampledRequestsEnabled": true, "CloudWatchMetricsEnabled": true, "MetricName": "bench"}`
	body := `{"Name": "bench", "Scope": "CLOUDFRONT", "DefaultAction": {"Allow": {}}, "VisibilityConfig": ` + visible + `, "Rules": [{
		"Name": "core", "Priority": 0, "OverrideAction": {"Count": {}}, "VisibilityConfig": ` + visible + `,
		"Statement": {"ManagedRuleGroupStatement": {"VendorName": "AWS", "Name": "AWSManagedRulesCommonRuleSet"}}}]}`
	var made struct{ Summary struct{ ARN string } }
	err := s.CallTarget(ctx, "wafv2", "POST", "/", "AWSWAF_20190729.CreateWebACL", []byte(body), &made)
	if err != nil {
		return "", fmt.Errorf("make web ACL: %w", err)
	}
	return made.Summary.ARN, nil
}

// distribution makes a distribution of the files' bucket, with an access log and
// behind a web ACL if one is named, and returns its host name once it serves.
func (s *server) distribution(ctx context.Context, control, acl string, files map[string][]byte) (string, error) {
	const bucket = filesBucket
	var first string
	for path := range files {
		first = path
		break
	}
	var config struct {
		XMLName         xml.Name `xml:"http://cloudfront.amazonaws.com/doc/2020-05-31/ DistributionConfig"`
		CallerReference string
		Origins         struct {
			Quantity int
			Items    struct {
				Origin struct {
					ID                    string `xml:"Id"`
					DomainName            string
					OriginAccessControlID string `xml:"OriginAccessControlId"`
					S3OriginConfig        struct{ OriginAccessIdentity string }
				}
			}
		}
		DefaultCacheBehavior struct {
			TargetOriginID       string `xml:"TargetOriginId"`
			ViewerProtocolPolicy string
		}
		Comment string
		Logging struct {
			Enabled, IncludeCookies bool
			Bucket, Prefix          string
		}
		Enabled bool
		WebACL  string `xml:"WebACLId"`
	}
	config.CallerReference, config.Comment, config.Enabled, config.WebACL = "bench"+acl, "bench", true, acl
	config.Logging.Enabled, config.Logging.Bucket = true, logsBucket+".s3.amazonaws.com"
	config.Origins.Quantity = 1
	origin := &config.Origins.Items.Origin
	origin.ID, origin.DomainName, origin.OriginAccessControlID = bucket, bucket+".s3."+harness.Region+".amazonaws.com", control
	config.DefaultCacheBehavior.TargetOriginID = bucket
	config.DefaultCacheBehavior.ViewerProtocolPolicy = "allow-all"
	body, err := xml.Marshal(config)
	if err != nil {
		return "", err
	}
	var made struct{ DomainName string }
	if err := s.Call(ctx, "cloudfront", "POST", "/2020-05-31/distribution", body, &made); err != nil {
		return "", fmt.Errorf("make distribution: %w", err)
	}
	address := strings.TrimPrefix(s.HTTP, "http://")
	err = harness.Poll(ctx, 20*time.Millisecond, readyTime, "the distribution serves", func() (bool, error) {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return false, err
		}
		defer conn.Close()
		v := newViewer(conn, made.DomainName)
		got, err := v.get(first, true)
		return err == nil && bytes.Equal(got, files[first]), nil
	})
	return made.DomainName, err
}
