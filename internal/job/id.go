package job

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

const (
	idAlphabet = "0123456789abcdefghijklmnopqrstuvwxyz"
	idRandom   = 6
)

// newID makes an ID as the service does: milliseconds since 1970, a hyphen, six
// characters of [0-9a-z]. IDs of 2001 to 2286 sort by age.
func newID(now time.Time, random io.Reader) (string, error) {
	id := make([]byte, 0, idRandom)
	var b [idRandom]byte
	for len(id) < idRandom {
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return "", fmt.Errorf("read randomness: %w", err)
		}
		for _, v := range b {
			// 252 is the largest multiple of 36 in a byte: above it some letters would be likelier.
			if v < 252 && len(id) < idRandom {
				id = append(id, idAlphabet[v%36])
			}
		}
	}
	return strconv.FormatInt(now.UnixMilli(), 10) + "-" + string(id), nil
}

// CreatedOf reads out of a job's ID when the job was created. It fails for what is
// not an ID of a job.
func CreatedOf(id string) (time.Time, error) {
	ms, rest, ok := strings.Cut(id, "-")
	n, err := strconv.ParseInt(ms, 10, 64)
	if !ok || err != nil || n < 0 || rest == "" {
		return time.Time{}, fmt.Errorf("read job ID %q: not milliseconds, a hyphen and letters", id)
	}
	return time.UnixMilli(n).UTC(), nil
}
