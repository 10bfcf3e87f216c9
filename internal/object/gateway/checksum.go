package gateway

import (
	"io"
	"reflect"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/s3api/middlewares"
	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"

	"vodwright.dev/vodwright/internal/object/catalog"
)

const (
	crc64NVME  = "CRC64NVME"
	fullObject = string(types.ChecksumTypeFullObject)
	composite  = string(types.ChecksumTypeComposite)
)

// checksumAlgorithms are S3's, as its shapes spell them after "Checksum".
func checksumAlgorithms() []string {
	return []string{"CRC32", "CRC32C", "SHA1", "SHA256", crc64NVME, "SHA512", "MD5", "XXHASH64", "XXHASH3", "XXHASH128"}
}

// setChecksum sets the field of shape (a pointer to one of S3's) that holds c's
// value: ChecksumCRC32, ChecksumSHA256, …
func setChecksum(shape any, c catalog.Checksum) {
	if c.Value == "" {
		return
	}
	v := reflect.ValueOf(shape).Elem()
	if f := v.FieldByName("Checksum" + c.Algorithm); f.IsValid() {
		f.Set(reflect.ValueOf(&c.Value))
	}
	if f := v.FieldByName("ChecksumType"); f.IsValid() && c.Type != "" {
		if f.Kind() == reflect.Pointer {
			t := types.ChecksumType(c.Type)
			f.Set(reflect.ValueOf(&t))
		} else {
			f.SetString(c.Type)
		}
	}
}

// givenChecksums returns the checksum fields that are set in shape, a struct.
func givenChecksums(shape any) []catalog.Checksum {
	var out []catalog.Checksum
	v := reflect.ValueOf(shape)
	for _, a := range checksumAlgorithms() {
		f := v.FieldByName("Checksum" + a)
		if !f.IsValid() || f.Kind() != reflect.Pointer || f.IsNil() || f.Elem().String() == "" {
			continue
		}
		out = append(out, catalog.Checksum{Algorithm: a, Value: strings.Clone(f.Elem().String())})
	}
	return out
}

func hashType(algorithm string) utils.HashType { return utils.HashType(strings.ToLower(algorithm)) }

// summed reads a body and knows its checksum at the end.
type summed struct {
	io.Reader
	algorithm string
	sum       func() string
	trailing  bool // the checksum came after the body
}

// sumBody wraps body in a reader that computes a checksum and, when the client
// gave one, ends with S3's error if it differs. A body whose checksum comes in
// its trailer checks itself.
func sumBody(body io.Reader, given []catalog.Checksum, algorithm string) (*summed, error) {
	if t, ok := body.(middlewares.ChecksumReader); ok && t.Algorithm() != "" {
		return &summed{Reader: body, algorithm: strings.ToUpper(t.Algorithm()), sum: t.Checksum, trailing: true}, nil
	}
	want := ""
	if len(given) > 0 {
		algorithm, want = given[0].Algorithm, given[0].Value
	}
	if algorithm == "" {
		algorithm = crc64NVME // S3's default
	}
	h, err := utils.NewHashReader(body, want, hashType(algorithm))
	if err != nil {
		return nil, err
	}
	return &summed{Reader: h, algorithm: algorithm, sum: h.Sum}, nil
}

// checksum returns what was computed, after the body's end.
func (s *summed) checksum() catalog.Checksum {
	return catalog.Checksum{Algorithm: s.algorithm, Type: fullObject, Value: s.sum()}
}

// combine returns the checksum of an upload from its parts' checksums.
func combine(asked catalog.Checksum, parts []catalog.Part) (catalog.Checksum, error) {
	out := catalog.Checksum{Algorithm: asked.Algorithm, Type: asked.Type}
	if out.Algorithm == "" {
		out = catalog.Checksum{Algorithm: crc64NVME, Type: fullObject}
	}
	if out.Type == composite {
		c, err := utils.NewCompositeChecksumReader(hashType(out.Algorithm))
		if err != nil {
			return out, err
		}
		for _, p := range parts {
			if err := c.Process(p.Checksum.Value); err != nil {
				return out, err
			}
		}
		out.Value = c.Sum() + "-" + itoa(len(parts))
		return out, nil
	}
	for i, p := range parts {
		if p.Checksum.Algorithm != out.Algorithm {
			return catalog.Checksum{}, s3err.GetChecksumTypeMismatchErr(types.ChecksumAlgorithm(out.Algorithm), types.ChecksumAlgorithm(p.Checksum.Algorithm))
		}
		if i == 0 {
			out.Value = p.Checksum.Value
			continue
		}
		var err error
		if out.Value, err = utils.AddCRCChecksum(types.ChecksumAlgorithm(out.Algorithm), out.Value, p.Checksum.Value, p.Size); err != nil {
			return out, err
		}
	}
	return out, nil
}
