// Package front is the front door: one port for everything. It reads just enough
// of a request to know whose it is, and hands it on untouched:
//
//   - a Host that a distribution answers to goes to the edge;
//   - a path under /_/ goes to the console (no bucket can be called "_");
//   - a SigV4 credential scope names its service: s3, mediaconvert, cloudfront …;
//   - without a signature, what can only be meant for a service reaches it, to be refused;
//   - anything else is S3, signed the old way or not at all.
//
// It decides no access: every service authenticates its own requests.
package front

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Door sends requests to their service. All fields but Services are required;
// it must not be changed once it serves.
type Door struct {
	S3       http.Handler
	Services map[string]http.Handler // by SigV4 signing name; s3 is not among them
	Edge     http.Handler
	IsEdge   func(host string) bool // host as the client sent it, with or without a port
	Console  http.Handler           // serves /_/
}

// ServeHTTP implements http.Handler.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case d.IsEdge(r.Host):
		d.Edge.ServeHTTP(w, r)
		return
	case r.URL.Path == "/_" || strings.HasPrefix(r.URL.Path, "/_/"):
		d.Console.ServeHTTP(w, r)
		return
	}
	service := SigningName(r)
	if service == "" && r.Header["Authorization"] == nil {
		service = unsigned(r)
	}
	switch handler, ok := d.Services[service]; {
	case ok:
		handler.ServeHTTP(w, r)
	case service == "s3" || service == "":
		if service == "" && wantsPage(r) {
			http.Redirect(w, r, "/_/", http.StatusFound)
			return
		}
		d.S3.ServeHTTP(w, r)
	default:
		d.notServed(w, r, service)
	}
}

// SigningName returns the service name in the request's SigV4 credential scope,
// from the Authorization header or the query, or "" when it has none.
func SigningName(r *http.Request) string {
	credential := ""
	if auth := r.Header.Get("Authorization"); strings.HasPrefix(auth, "AWS4-") {
		_, after, _ := strings.Cut(auth, "Credential=")
		credential, _, _ = strings.Cut(after, ",")
	} else if strings.Contains(r.URL.RawQuery, "X-Amz-Credential=") {
		credential = r.URL.Query().Get("X-Amz-Credential")
	}
	// AKIA…/20260101/us-east-1/SERVICE/aws4_request; access key ids hold no slash.
	parts := strings.Split(strings.TrimSpace(credential), "/")
	if len(parts) != 5 {
		return ""
	}
	return parts[3]
}

// wantsPage reports whether a person opened the server's address in a browser.
func wantsPage(r *http.Request) bool {
	return r.Method == http.MethodGet && r.URL.Path == "/" && r.URL.RawQuery == "" &&
		r.Header.Get("Authorization") == "" && strings.Contains(r.Header.Get("Accept"), "text/html")
}

// notServed answers for a service that Vodwright does not have, in the form that
// the service's protocol calls for, with a status that clients do not retry.
func (d *Door) notServed(w http.ResponseWriter, r *http.Request, service string) {
	have := append([]string{"s3"}, slices.Sorted(maps.Keys(d.Services))...)
	message := fmt.Sprintf("Vodwright does not serve %q; it serves %s", service, strings.Join(have, ", "))
	const code = "NotImplemented"
	w.Header().Set("X-Content-Type-Options", "nosniff")
	switch service { // the query protocol's services answer XML
	case "sts", "iam", "sqs", "sns", "cloudformation", "ec2", "monitoring":
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error></ErrorResponse>", code, xmlText.Replace(message))
	default:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Amzn-Errortype", code)
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"__type": code, "message": message})
	}
}

var xmlText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// unsigned returns the service that a request without any signature is for, so
// that the service itself says what is missing; "" for all that may be S3's, which
// serves anonymous requests.
func unsigned(r *http.Request) string {
	target, _, named := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch {
	case named:
		return targets[target]
	case r.Method == http.MethodPost && r.URL.Path == "/" && strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded"):
		return "iam" // or sts: nothing but the body tells, and both answer the same
	}
	version, resource, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	resource, _, _ = strings.Cut(resource, "/")
	return resources[version+"/"+resource]
}

// targets are services by what precedes the operation in X-Amz-Target.
var targets = map[string]string{"AWSWAF_20190729": "wafv2", "Logs_20140328": "logs", "AWSEvents": "events"}

// resources are services by how their paths begin. Keys of a bucket can be called
// like this too, but a version's date and a resource's name together are not by chance.
var resources = map[string]string{
	"2020-05-31/distribution": "cloudfront", "2020-05-31/cache-policy": "cloudfront", "2020-05-31/origin-request-policy": "cloudfront",
	"2020-05-31/response-headers-policy": "cloudfront", "2020-05-31/origin-access-control": "cloudfront", "2020-05-31/public-key": "cloudfront",
	"2020-05-31/key-group": "cloudfront", "2020-05-31/tagging": "cloudfront",
	"2017-08-29/jobs": "mediaconvert", "2017-08-29/jobTemplates": "mediaconvert", "2017-08-29/queues": "mediaconvert",
	"2017-08-29/presets": "mediaconvert", "2017-08-29/endpoints": "mediaconvert",
	"2015-03-31/functions": "lambda",
}
