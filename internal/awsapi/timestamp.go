package awsapi

import (
	"math"
	"strconv"
	"time"
)

// Timestamp is a point in time: epoch seconds in JSON, ISO 8601 in XML and in
// text. Both are written in whole milliseconds.
type Timestamp struct{ time.Time }

// At returns t as a member of an output, nil for the zero time.
func At(t time.Time) *Timestamp {
	if t.IsZero() {
		return nil
	}
	return &Timestamp{t}
}

// MarshalJSON writes epoch seconds.
func (t Timestamp) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(t.UnixMilli())/1000, 'f', -1, 64), nil
}

// UnmarshalJSON reads epoch seconds or an ISO 8601 string.
func (t *Timestamp) UnmarshalJSON(b []byte) error {
	if len(b) > 1 && b[0] == '"' {
		return t.UnmarshalText(b[1 : len(b)-1])
	}
	return t.UnmarshalText(b)
}

// MarshalText writes ISO 8601 in UTC.
func (t Timestamp) MarshalText() ([]byte, error) {
	return t.UTC().AppendFormat(nil, "2006-01-02T15:04:05.000Z"), nil
}

// UnmarshalText reads ISO 8601 or epoch seconds.
func (t *Timestamp) UnmarshalText(b []byte) error {
	if f, err := strconv.ParseFloat(string(b), 64); err == nil && math.Abs(f) < 1e11 {
		t.Time = time.UnixMilli(int64(math.Round(f * 1000))).UTC()
		return nil
	}
	v, err := time.Parse(time.RFC3339, string(b))
	t.Time = v
	return err
}
