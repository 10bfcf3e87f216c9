// Package awsapi is the wire of the AWS APIs, without the network: documents
// flow in as bytes and out as bytes, generated shapes stand between.
//
// It holds the description of an API (operations, routes, protocol), the codecs
// of the rest-json and rest-xml protocols, and the validation that the public
// models promise (required members, ranges, patterns, enumerations). A protocol
// of another family (query, json) gets its codec here, beside these two. The
// shapes of each service are generated into a folder below (tools/awsgen);
// verifying signatures is the room sigv4, answering requests the room rest.
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
)

// API describes a service. It is data: safe for any number of readers.
type API struct {
	Service     string // the model's service id, "MediaConvert"
	SigningName string // the service of a SigV4 credential scope, "mediaconvert"
	Version     string // the first path element, "2017-08-29"
	Protocol    Protocol
	Namespace   string // XML namespace of payloads; "" for none
	Operations  []Operation
}

// Operation is one operation of an API. URI may hold {labels} and a fixed
// query ("/distribution?WithTags"). Input makes an empty input shape; it is nil
// where the house has no shapes for the operation and answers only its name.
type Operation struct {
	Name   string
	Method string
	URI    string
	Status int // of a success
	Input  func() any
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
