package event

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
)

// The service's words for what happened to an object, "Amazon S3 event message
// structure" and "EventBridge event message structure" of the S3 user guide.

// hexSequencer writes a sequencer in hexadecimal digits, which compare as it does.
func hexSequencer(s string) string {
	if id, err := ulid.ParseStrict(s); err == nil {
		return strings.ToUpper(hex.EncodeToString(id[:]))
	}
	return strings.ToUpper(hex.EncodeToString([]byte(s)))
}

// formKey encodes a key as forms do, slashes apart: "a b+ü/c" is "a+b%2B%C3%BC/c".
func formKey(key string) string {
	return strings.NewReplacer("%2F", "/", "%2A", "*", "~", "%7E").Replace(url.QueryEscape(key))
}

// requestOf returns ids of the request that made an event; what the house did
// itself gets some of its own.
func requestOf(e ObjectEvent) (id, id2 string) {
	h := strings.ToUpper(strings.ReplaceAll(StableID("request", e.Sequencer), "-", ""))
	return cmp.Or(e.Request.ID, h[:16]), h
}

type s3Owner struct {
	PrincipalID string `json:"principalId"`
}

type s3Record struct {
	EventVersion      string            `json:"eventVersion"`
	EventSource       string            `json:"eventSource"`
	AWSRegion         string            `json:"awsRegion"`
	EventTime         string            `json:"eventTime"`
	EventName         string            `json:"eventName"`
	UserIdentity      s3Owner           `json:"userIdentity"`
	RequestParameters map[string]string `json:"requestParameters"`
	ResponseElements  map[string]string `json:"responseElements"`
	S3                struct {
		SchemaVersion   string   `json:"s3SchemaVersion"`
		ConfigurationID string   `json:"configurationId"`
		Bucket          s3Bucket `json:"bucket"`
		Object          s3Object `json:"object"`
	} `json:"s3"`
}

type s3Bucket struct {
	Name          string  `json:"name"`
	OwnerIdentity s3Owner `json:"ownerIdentity"`
	ARN           string  `json:"arn"`
}

type s3Object struct {
	Key       string `json:"key"`
	Size      *int64 `json:"size,omitempty"`
	ETag      string `json:"eTag,omitempty"`
	VersionID string `json:"versionId,omitempty"`
	Sequencer string `json:"sequencer"`
}

// s3Message is what a function gets for one event of an object.
func (p place) s3Message(e ObjectEvent, configurationID string) (json.RawMessage, error) {
	requestID, id2 := requestOf(e)
	r := s3Record{
		EventVersion: "2.1", EventSource: "aws:s3", AWSRegion: p.region,
		EventTime: e.Time.UTC().Format("2006-01-02T15:04:05.000Z"), EventName: string(e.Name),
		UserIdentity:      s3Owner{cmp.Or(e.Request.Requester, p.account)},
		RequestParameters: map[string]string{"sourceIPAddress": sourceIP(e)},
		ResponseElements:  map[string]string{"x-amz-request-id": requestID, "x-amz-id-2": id2},
	}
	r.S3.SchemaVersion, r.S3.ConfigurationID = "1.0", configurationID
	r.S3.Bucket = s3Bucket{e.Bucket, s3Owner{p.account}, "arn:aws:s3:::" + e.Bucket}
	r.S3.Object = s3Object{Key: formKey(e.Key), VersionID: e.VersionID, Sequencer: hexSequencer(e.Sequencer)}
	if e.Name.Created() {
		r.S3.Object.Size, r.S3.Object.ETag = &e.Size, e.ETag
	}
	return encode(map[string][]s3Record{"Records": {r}})
}

// reasons are the API's operations that make an event.
var reasons = map[Name]string{
	ObjectCreatedPut: "PutObject", ObjectCreatedPost: "POST Object", ObjectCreatedCopy: "CopyObject",
	ObjectCreatedCompleteMultipartUpload:   "CompleteMultipartUpload",
	ObjectRemovedDelete:                    "DeleteObject",
	ObjectRemovedDeleteMarkerCreated:       "DeleteObject",
	LifecycleExpirationDelete:              "Lifecycle Expiration",
	LifecycleExpirationDeleteMarkerCreated: "Lifecycle Expiration",
}

// ObjectDetail is the detail of EventBridge's "Object Created" and "Object Deleted".
type ObjectDetail struct {
	Version string `json:"version"`
	Bucket  struct {
		Name string `json:"name"`
	} `json:"bucket"`
	Object struct {
		Key       string `json:"key"` // as the client named it
		Size      *int64 `json:"size,omitempty"`
		ETag      string `json:"etag,omitempty"`
		VersionID string `json:"version-id,omitempty"`
		Sequencer string `json:"sequencer"`
	} `json:"object"`
	RequestID       string `json:"request-id"`
	Requester       string `json:"requester"`
	SourceIPAddress string `json:"source-ip-address,omitempty"`
	Reason          string `json:"reason"`
	DeletionType    string `json:"deletion-type,omitempty"`
}

// The names of an object's events in EventBridge.
const (
	SourceS3      = "aws.s3"
	ObjectCreated = "Object Created"
	ObjectDeleted = "Object Deleted"
)

// objectEvent is an event of an object in EventBridge's shape.
func (p place) objectEvent(o ObjectEvent) (Event, error) {
	d := ObjectDetail{Version: "0", Requester: p.account, SourceIPAddress: sourceIP(o), Reason: reasons[o.Name]}
	d.Bucket.Name = o.Bucket
	d.Object.Key, d.Object.VersionID, d.Object.Sequencer = o.Key, o.VersionID, hexSequencer(o.Sequencer)
	d.RequestID, _ = requestOf(o)
	kind := ObjectCreated
	if o.Name.Created() {
		d.Object.Size, d.Object.ETag = &o.Size, o.ETag
	} else {
		kind, d.DeletionType = ObjectDeleted, "Permanently Deleted"
		if strings.HasSuffix(string(o.Name), "DeleteMarkerCreated") {
			d.DeletionType = "Delete Marker Created"
		}
	}
	detail, err := encode(d)
	return Event{
		ID: StableID("s3", o.Sequencer), DetailType: kind, Source: SourceS3, Account: p.account, Time: o.Time.Truncate(time.Second),
		Region: p.region, Resources: []string{"arn:aws:s3:::" + o.Bucket}, Detail: detail,
	}, err
}

// sourceIP is where the request came from: this machine, when none came.
func sourceIP(e ObjectEvent) string { return cmp.Or(e.Request.SourceIP, "127.0.0.1") }
