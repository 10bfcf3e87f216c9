package front

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestRequestsReachTheirService(t *testing.T) {
	says := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) })
	}
	door := &Door{
		S3: says("s3"), Edge: says("edge"), Console: says("console"),
		Services: map[string]http.Handler{"mediaconvert": says("mediaconvert"), "cloudfront": says("cloudfront")},
		IsEdge:   func(host string) bool { return strings.HasSuffix(strings.Split(host, ":")[0], ".cdn.localhost") },
	}
	auth := func(service string) string {
		return "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20260101/us-east-1/" + service + "/aws4_request, SignedHeaders=host, Signature=00"
	}
	tests := []struct {
		name, method, url, auth, accept string
		want                            string // body, or a part of it
		status                          int
	}{
		{"signed s3", "GET", "/bucket/key", auth("s3"), "", "s3", 200},
		{"presigned s3", "GET", "/bucket/key?X-Amz-Credential=AKIA%2F20260101%2Fus-east-1%2Fs3%2Faws4_request", "", "", "s3", 200},
		{"anonymous s3", "GET", "/bucket/key", "", "", "s3", 200},
		{"signature version 2", "GET", "/bucket/key", "AWS AKIA:abc=", "", "s3", 200},
		{"jobs", "POST", "/2017-08-29/jobs", auth("mediaconvert"), "", "mediaconvert", 200},
		{"a bucket called jobs", "GET", "/2017-08-29/jobs", auth("s3"), "", "s3", 200},
		{"distributions", "GET", "/2020-05-31/distribution", auth("cloudfront"), "", "cloudfront", 200},
		{"edge", "GET", "http://e1.cdn.localhost:8080/a.m3u8", "", "", "edge", 200},
		{"edge with a signature", "GET", "http://e1.cdn.localhost/a.m3u8", auth("s3"), "", "edge", 200},
		{"console", "GET", "/_/player", "", "", "console", 200},
		{"not the console", "GET", "/_x", "", "", "s3", 200},
		{"a person", "GET", "/", "", "text/html,*/*", "/_/", 302},
		{"a program", "GET", "/", "", "*/*", "s3", 200},
		{"a service we lack, query protocol", "POST", "/", auth("sts"), "", "<Code>NotImplemented</Code>", 400},
		{"a service we lack, json", "POST", "/", auth("dynamodb"), "", "it serves s3, cloudfront, mediaconvert", 400},
		{"unsigned distributions", "GET", "/2020-05-31/distribution/E1", "", "", "cloudfront", 200},
		{"unsigned jobs", "POST", "/2017-08-29/jobs", "", "", "mediaconvert", 200},
		{"a bucket with a date", "GET", "/2020-05-31/distributions.csv", "", "", "s3", 200},
		{"a broken scope", "GET", "/b", "AWS4-HMAC-SHA256 Credential=/", "", "s3", 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, tt.url, nil)
			if tt.auth != "" {
				r.Header.Set("Authorization", tt.auth)
			}
			r.Header.Set("Accept", tt.accept)
			w := httptest.NewRecorder()
			door.ServeHTTP(w, r)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("got %d %q, want %d %q", w.Code, w.Body, tt.status, tt.want)
			}
		})
	}
}
