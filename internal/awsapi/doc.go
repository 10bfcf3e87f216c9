// Package awsapi is the wire of the AWS APIs, without the network: documents
// flow in as bytes and out as bytes, generated shapes stand between.
//
// It holds the description of an API (operations, routes, protocol), the codecs
// of its protocol, and the validation that the public models promise (required
// members, ranges, patterns, enumerations). The shapes of each service are
// generated into a folder below (tools/awsgen); verifying signatures is the room
// sigv4, answering requests the room apiserver.
//
// The package is pure: no file, network, clock, context or log. Documents are
// hostile: depth, size and numbers are bounded, and every problem is reported
// with its path rather than the first one alone.
package awsapi

// Protocol is how an API lays its members out on the wire.
type Protocol string

// The protocols that have a codec.
const (
	RESTJSON Protocol = "rest-json"
	RESTXML  Protocol = "rest-xml"
	JSON     Protocol = "json"  // the operation in X-Amz-Target, its members in the document
	Query    Protocol = "query" // the operation and its members in a form, XML answers
)

// API describes a service. It is data: safe for any number of readers.
type API struct {
	Service     string // the model's service id, "MediaConvert"
	SigningName string // the service of a SigV4 credential scope, "mediaconvert"
	Version     string // the first path element, "2017-08-29"
	Protocol    Protocol
	Namespace   string // XML namespace of payloads; "" for none
	// TargetPrefix is what stands before the operation's name in X-Amz-Target
	// (JSON protocol): "Logs_20140328".
	TargetPrefix string
	Operations   []Operation
}

// Operation is one operation of an API. URI may hold {labels} and a fixed
// query ("/distribution?WithTags"). Input makes an empty input shape; it is nil
// where the house has no shapes for the operation and answers only its name.
type Operation struct {
	Name   string
	Method string
	URI    string
	Status int // of a success
	// Wrapper is the element around the members of an answer (Query protocol).
	Wrapper string
	Input   func() any
}

// Violation is one thing wrong with a document: where, and the service's words.
type Violation struct {
	Path    string // JSON pointer of wire names, "/settings/inputs/0"; "" is the document
	Message string
}

// String returns the violation as the service words it: "/outputGroups/0/outputs/0:
// containerSettings is a required property".
func (v Violation) String() string {
	if v.Path == "" {
		return v.Message
	}
	return v.Path + ": " + v.Message
}
