package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// model is what awsgen reads of an API model (botocore's service-2.json, the
// same document as aws-sdk-go's api-2.json). Everything else is trimmed away,
// documentation first: its words are not ours.
type model struct {
	Metadata struct {
		APIVersion     string `json:"apiVersion"`
		Protocol       string `json:"protocol"`
		SigningName    string `json:"signingName,omitempty"`
		EndpointPrefix string `json:"endpointPrefix"`
		ServiceID      string `json:"serviceId"`
		TargetPrefix   string `json:"targetPrefix,omitempty"` // of X-Amz-Target, in the json protocol
		XMLNamespace   string `json:"xmlNamespace,omitempty"` // of answers, in the query protocol
	} `json:"metadata"`
	Operations map[string]operation `json:"operations"`
	Shapes     map[string]*shape    `json:"shapes"`
}

type operation struct {
	HTTP struct {
		Method       string `json:"method"`
		RequestURI   string `json:"requestUri"`
		ResponseCode int    `json:"responseCode,omitempty"`
	} `json:"http"`
	Input  *target `json:"input,omitempty"`
	Output *target `json:"output,omitempty"`
}

type target struct {
	Shape         string        `json:"shape"`
	LocationName  string        `json:"locationName,omitempty"`
	ResultWrapper string        `json:"resultWrapper,omitempty"`
	XMLNamespace  *xmlNamespace `json:"xmlNamespace,omitempty"`
}

type xmlNamespace struct {
	URI string `json:"uri,omitempty"`
}

type member struct {
	Shape        string        `json:"shape"`
	LocationName string        `json:"locationName,omitempty"`
	Location     string        `json:"location,omitempty"`
	Flattened    bool          `json:"flattened,omitempty"`
	XMLAttribute bool          `json:"xmlAttribute,omitempty"`
	XMLNamespace *xmlNamespace `json:"xmlNamespace,omitempty"`
	Idempotency  bool          `json:"idempotencyToken,omitempty"`
}

type shape struct {
	Type            string            `json:"type"`
	Members         map[string]member `json:"members,omitempty"`
	Required        []string          `json:"required,omitempty"`
	Member          *member           `json:"member,omitempty"`
	Key             *member           `json:"key,omitempty"`
	Value           *member           `json:"value,omitempty"`
	Enum            []string          `json:"enum,omitempty"`
	Min             *float64          `json:"min,omitempty"`
	Max             *float64          `json:"max,omitempty"`
	Pattern         string            `json:"pattern,omitempty"`
	TimestampFormat string            `json:"timestampFormat,omitempty"`
	Payload         string            `json:"payload,omitempty"`
	Flattened       bool              `json:"flattened,omitempty"`
	Exception       bool              `json:"exception,omitempty"`
}

func readModel(path string) (*model, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read model %q: %w", path, err)
	}
	if strings.HasSuffix(path, ".gz") {
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, fmt.Errorf("read model %q: %w", path, err)
		}
		if b, err = io.ReadAll(z); err != nil {
			return nil, fmt.Errorf("read model %q: %w", path, err)
		}
	}
	m := new(model)
	if err := json.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("decode model %q: %w", path, err)
	}
	return m, nil
}

// trimModel writes the parts of the model at from that awsgen reads to the gzip file at to.
func trimModel(from, to string) error {
	m, err := readModel(from)
	if err != nil {
		return err
	}
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode model: %w", err)
	}
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return fmt.Errorf("compress model: %w", err)
	}
	if _, err := z.Write(b); err != nil {
		return fmt.Errorf("compress model: %w", err)
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("compress model: %w", err)
	}
	if err := os.WriteFile(to, out.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write model %q: %w", to, err)
	}
	return nil
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
