package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// JobInput is the Input of a target that is a job template: what the job gets
// beside the template and the object.
type JobInput struct {
	// Destination is where outputs go, s3://BUCKET or s3://BUCKET/PREFIX.
	Destination string `json:"destination"`
	// Role is the job's; empty is the target's RoleArn.
	Role         string            `json:"role,omitempty"`
	Queue        string            `json:"queue,omitempty"`
	Priority     int               `json:"priority,omitempty"`
	UserMetadata map[string]string `json:"userMetadata,omitempty"`
	// StatusUpdateInterval is one of the API's; empty is SECONDS_10.
	StatusUpdateInterval string `json:"statusUpdateInterval,omitempty"`
}

// ParseJobInput reads a target's Input.
func ParseJobInput(doc []byte) (JobInput, error) {
	var in JobInput
	d := json.NewDecoder(bytes.NewReader(doc))
	d.DisallowUnknownFields()
	err := d.Decode(&in)
	if errors.Is(err, io.EOF) {
		err = errors.New("it is empty")
	}
	if err != nil {
		return in, fmt.Errorf("want a JSON object like {\"destination\":\"s3://BUCKET\"}: %w", err)
	}
	bucket, _ := in.DestinationBucket()
	if !strings.HasPrefix(in.Destination, "s3://") || bucket == "" {
		return in, fmt.Errorf("destination %q is not s3://BUCKET or s3://BUCKET/PREFIX", in.Destination)
	}
	return in, nil
}

// DestinationBucket returns the bucket of Destination, and the prefix with a
// slash at its end, or empty.
func (in JobInput) DestinationBucket() (bucket, prefix string) {
	bucket, prefix, _ = strings.Cut(strings.TrimPrefix(in.Destination, "s3://"), "/")
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	return bucket, prefix
}
