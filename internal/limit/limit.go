// Package limit holds every bound of what untrusted input may take: one struct,
// its defaults, and the words that tell of a limit that was hit. A file, a URL or
// a job document flows nowhere in this house without one of these in its way.
//
// The struct is read from flags and environment by the command, passed down as a
// value, and described in docs/LIMITS.md, which a test holds against it. The
// package is pure.
package limit

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

// Limits bound what one job, its sources and its media processes may take. A zero
// field is its default: see OrDefaults. The tags are the flag's name without
// "limit-", the variable's without "VODWRIGHT_LIMIT_", the default and the help.
type Limits struct {
	SourceBytes Bytes `name:"source-bytes" env:"SOURCE_BYTES" default:"100GiB" help:"Size of each source, uploaded or fetched."`
	Inputs      Count `name:"inputs" env:"INPUTS" default:"150" help:"Inputs of a job; as many files again for images and sound."`
	Streams     Count `name:"streams" env:"STREAMS" default:"64" help:"Streams of a source."`
	Pixels      Count `name:"pixels" env:"PIXELS" default:"8192x4352" help:"Pixels of a source's picture."`
	Side        Count `name:"side" env:"SIDE" default:"16384" help:"Pixels of either side of a source's picture."`
	FrameRate   Count `name:"frame-rate" env:"FRAME_RATE" default:"1000" help:"Frames a second of a source."`
	Frames      Count `name:"frames" env:"FRAMES" default:"5184000" help:"Frames of a source: 24 hours of 60 a second."`
	Description Bytes `name:"description-bytes" env:"DESCRIPTION_BYTES" default:"4MiB" help:"What ffprobe may have to say of a source."`
	LogBytes    Bytes `name:"log-bytes" env:"LOG_BYTES" default:"64KiB" help:"What is kept of a media process's log: a quarter from its beginning, the rest from its end."`

	Duration time.Duration `name:"duration" env:"DURATION" default:"24h" help:"Length of a source, and of an output."`
	Gap      time.Duration `name:"gap" env:"GAP" default:"10m" help:"Time between two frames of a source."`

	Work     Count `name:"work" env:"WORK" default:"2e13" help:"Pixels that a job decodes and encodes: width x height x frames, of the source and of every output."`
	Segments Count `name:"segments" env:"SEGMENTS" default:"1e6" help:"Segments of an output."`
	Objects  Count `name:"objects" env:"OBJECTS" default:"4e6" help:"Files that a job writes to its destinations."`

	ProbeMemory  Bytes         `name:"probe-memory" env:"PROBE_MEMORY" default:"1GiB" help:"Memory to look at a source's headers."`
	ProbeCPU     time.Duration `name:"probe-cpu" env:"PROBE_CPU" default:"30s" help:"Processor time to look at a source's headers."`
	ProbeTime    time.Duration `name:"probe-time" env:"PROBE_TIME" default:"1m" help:"Time to look at a source's headers."`
	IndexMemory  Bytes         `name:"index-memory" env:"INDEX_MEMORY" default:"2GiB" help:"Memory to list a source's frames."`
	IndexCPU     time.Duration `name:"index-cpu" env:"INDEX_CPU" default:"30m" help:"Processor time to list a source's frames."`
	IndexTime    time.Duration `name:"index-time" env:"INDEX_TIME" default:"1h" help:"Time to list a source's frames."`
	DecodeMemory Bytes         `name:"decode-memory" env:"DECODE_MEMORY" default:"6GiB" help:"Memory to decode a source whose index cannot be trusted."`
	DecodeCPU    time.Duration `name:"decode-cpu" env:"DECODE_CPU" default:"12h" help:"Processor time to decode a source whose index cannot be trusted."`
	DecodeTime   time.Duration `name:"decode-time" env:"DECODE_TIME" default:"6h" help:"Time to decode a source whose index cannot be trusted."`
	EncodeMemory Bytes         `name:"encode-memory" env:"ENCODE_MEMORY" default:"8GiB" help:"Memory of an encoding process."`
	EncodeCPU    time.Duration `name:"encode-cpu" env:"ENCODE_CPU" default:"48h" help:"Processor time of an encoding process."`
	EncodeTime   time.Duration `name:"encode-time" env:"ENCODE_TIME" default:"12h" help:"Time of an encoding process."`
	Stall        time.Duration `name:"stall" env:"STALL" default:"2m" help:"Time an encoding process may go without progress."`

	FileBytes   Bytes `name:"file-bytes" env:"FILE_BYTES" default:"128GiB" help:"Size of each file that a media process writes."`
	OutputBytes Bytes `name:"output-bytes" env:"OUTPUT_BYTES" default:"256GiB" help:"Size of everything that a media process writes."`
	OutputFiles Count `name:"output-files" env:"OUTPUT_FILES" default:"4e6" help:"Files that a media process writes."`
	WorkBytes   Bytes `name:"work-bytes" env:"WORK_BYTES" default:"1TiB" help:"Size of a job's work folder: sources, encodes, outputs in the making."`

	FetchRedirects Count         `name:"fetch-redirects" env:"FETCH_REDIRECTS" default:"3" help:"Redirects of an https:// input."`
	FetchConnect   time.Duration `name:"fetch-connect" env:"FETCH_CONNECT" default:"15s" help:"Time for a server to accept a connection, and again to answer."`
	FetchStall     time.Duration `name:"fetch-stall" env:"FETCH_STALL" default:"30s" help:"Time in which a server must send 64 KiB."`
	FetchTime      time.Duration `name:"fetch-time" env:"FETCH_TIME" default:"12h" help:"Time to fetch an input."`
}

// Name names a limit as its flag does, without "limit-".
type Name string

// The names of the limits, for Exceeded.
const (
	SourceBytes    Name = "source-bytes"
	Inputs         Name = "inputs"
	Streams        Name = "streams"
	Pixels         Name = "pixels"
	Side           Name = "side"
	FrameRate      Name = "frame-rate"
	Frames         Name = "frames"
	Description    Name = "description-bytes"
	LogBytes       Name = "log-bytes"
	Duration       Name = "duration"
	Gap            Name = "gap"
	Work           Name = "work"
	Segments       Name = "segments"
	Objects        Name = "objects"
	ProbeMemory    Name = "probe-memory"
	ProbeCPU       Name = "probe-cpu"
	ProbeTime      Name = "probe-time"
	IndexMemory    Name = "index-memory"
	IndexCPU       Name = "index-cpu"
	IndexTime      Name = "index-time"
	DecodeMemory   Name = "decode-memory"
	DecodeCPU      Name = "decode-cpu"
	DecodeTime     Name = "decode-time"
	EncodeMemory   Name = "encode-memory"
	EncodeCPU      Name = "encode-cpu"
	EncodeTime     Name = "encode-time"
	Stall          Name = "stall"
	FileBytes      Name = "file-bytes"
	OutputBytes    Name = "output-bytes"
	OutputFiles    Name = "output-files"
	WorkBytes      Name = "work-bytes"
	FetchRedirects Name = "fetch-redirects"
	FetchConnect   Name = "fetch-connect"
	FetchStall     Name = "fetch-stall"
	FetchTime      Name = "fetch-time"
)

// Flag returns the flag that sets the limit.
func (n Name) Flag() string { return "--limit-" + string(n) }

// Env returns the environment variable that sets the limit.
func (n Name) Env() string {
	return "VODWRIGHT_LIMIT_" + strings.ToUpper(strings.ReplaceAll(string(n), "-", "_"))
}

// Exceeded returns the error of a limit that was hit. The message says what the
// input has and what the limit is; the hint says what raises it.
func Exceeded(n Name, code, format string, args ...any) *fault.Error {
	return fault.New(fault.Limit, code, format, args...).WithHint("%s", n.Hint())
}

// Hint says how to raise the limit.
func (n Name) Hint() string {
	return fmt.Sprintf("%s, or %s in the environment, raises this limit", n.Flag(), n.Env())
}

// Default returns the limits that hold where nobody says otherwise.
func Default() Limits { return Limits{}.OrDefaults() }

// OrDefaults returns l with its zero fields filled with their defaults.
func (l Limits) OrDefaults() Limits {
	v := reflect.ValueOf(&l).Elem()
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			n, err := parse(v.Type().Field(i).Type, v.Type().Field(i).Tag.Get("default"))
			if err != nil {
				panic(err) // a tag of this file: a test reads them all
			}
			v.Field(i).SetInt(n)
		}
	}
	return l
}

// Row is one limit, for documents.
type Row struct {
	Name    Name
	Default string
	Help    string
}

// Rows lists all limits in the order of the struct.
func Rows() []Row {
	t := reflect.TypeFor[Limits]()
	rows := make([]Row, t.NumField())
	for i := range rows {
		tag := t.Field(i).Tag
		rows[i] = Row{Name(tag.Get("name")), tag.Get("default"), tag.Get("help")}
	}
	return rows
}

// Of returns the value of a limit as its flag would be written.
func (l Limits) Of(n Name) string {
	v := reflect.ValueOf(l)
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("name") == string(n) {
			return fmt.Sprint(v.Field(i).Interface())
		}
	}
	return ""
}

func parse(t reflect.Type, text string) (int64, error) {
	switch t {
	case reflect.TypeFor[time.Duration]():
		d, err := time.ParseDuration(text)
		return int64(d), err
	case reflect.TypeFor[Bytes]():
		var b Bytes
		err := b.UnmarshalText([]byte(text))
		return int64(b), err
	}
	var c Count
	err := c.UnmarshalText([]byte(text))
	return int64(c), err
}

// Bytes is a size, written like 512MiB, 8GiB, 2GB or 1048576.
type Bytes int64

var units = []struct {
	name string
	size int64
}{
	{"TiB", 1 << 40},
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"TB", 1e12},
	{"GB", 1e9},
	{"MB", 1e6},
	{"kB", 1e3},
	{"B", 1},
}

// UnmarshalText implements encoding.TextUnmarshaler. A size is at least 1.
func (b *Bytes) UnmarshalText(text []byte) error {
	s, unit := strings.TrimSpace(string(text)), int64(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(s, u.name); ok {
			s, unit = strings.TrimSpace(rest), u.size
			break
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if n := f * float64(unit); err != nil || !(n >= 1 && n <= math.MaxInt64/2) {
		return fmt.Errorf("%q is not a size such as 512MiB or 8GiB", text)
	}
	*b = Bytes(f * float64(unit))
	return nil
}

// String writes the size in the largest binary unit that divides it.
func (b Bytes) String() string {
	for _, u := range units[:4] {
		if int64(b) >= u.size && int64(b)%u.size == 0 {
			return fmt.Sprintf("%d%s", int64(b)/u.size, u.name)
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// Count is a number, written like 64, 2e13 or 8192x4352.
type Count int64

// UnmarshalText implements encoding.TextUnmarshaler. A count is at least 1.
func (c *Count) UnmarshalText(text []byte) error {
	product := 1.0
	for part := range strings.SplitSeq(strings.TrimSpace(string(text)), "x") {
		f, err := strconv.ParseFloat(part, 64)
		if err != nil || !(f >= 1 && f <= 1e18) {
			return fmt.Errorf("%q is not a number such as 64, 2e13 or 8192x4352", text)
		}
		product *= f
	}
	if product > 1e18 {
		return fmt.Errorf("%q is too large", text)
	}
	*c = Count(product)
	return nil
}

// String writes the number in digits.
func (c Count) String() string { return strconv.FormatInt(int64(c), 10) }
