package limit_test

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/limit"
)

var update = flag.Bool("update", false, "write docs/LIMITS.md")

const document = "../../docs/LIMITS.md"

const head = `# Limits of untrusted input

Every source, URL and job document is hostile until it has been looked at. These
limits hold by default, for probes and encodes alike. Each has a flag of
` + "`vodwright serve`, `convert` and `demo`" + `, and a variable of the environment; the flag
wins. The error of a job that hits one says what the input has, what the limit is
and which flag raises it. No limit can be switched off; all can be raised.

Sizes are written like ` + "`512MiB` or `8GiB`, numbers like `64`, `2e13` or `8192x4352`" + `,
times like ` + "`90s`, `10m` or `24h`" + `.

<!-- made from internal/limit: go test ./internal/limit -update -->

| flag | environment | default | what |
|---|---|---|---|
`

// TestLimitsDocumentIsCurrent holds docs/LIMITS.md against the struct.
func TestLimitsDocumentIsCurrent(t *testing.T) {
	var b strings.Builder
	b.WriteString(head)
	for _, r := range limit.Rows() {
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s |\n", r.Name.Flag(), r.Name.Env(), r.Default, strings.TrimSuffix(r.Help, "."))
	}
	have, err := os.ReadFile(document)
	_, rest, found := strings.Cut(string(have), "\n## ")
	if found {
		b.WriteString("\n## " + rest) // what no flag sets is written by hand
	}
	if *update {
		if err := os.WriteFile(document, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err != nil || string(have) != b.String() {
		t.Errorf("docs/LIMITS.md is not what the code says (%v): go test ./internal/limit -update", err)
	}
}

func TestEveryLimitHasNameDefaultAndHelp(t *testing.T) {
	all := limit.Default()
	seen := map[limit.Name]bool{}
	fields := reflect.TypeFor[limit.Limits]()
	for i, r := range limit.Rows() {
		if env := "VODWRIGHT_LIMIT_" + fields.Field(i).Tag.Get("env"); env != r.Name.Env() {
			t.Errorf("%s is read from %s, not %s", r.Name, env, r.Name.Env())
		}
		if r.Name == "" || r.Help == "" || seen[r.Name] {
			t.Errorf("%+v", r)
		}
		seen[r.Name] = true
		if v := all.Of(r.Name); v == "" || v == "0" || v == "0s" {
			t.Errorf("%s is %q", r.Name, v)
		}
	}
	for _, n := range []limit.Name{
		limit.SourceBytes, limit.Inputs, limit.Streams, limit.Pixels, limit.Side, limit.FrameRate, limit.Frames, limit.Description, limit.LogBytes,
		limit.Duration, limit.Gap, limit.Work, limit.Segments, limit.Objects, limit.ProbeMemory, limit.ProbeCPU, limit.ProbeTime, limit.IndexMemory,
		limit.IndexCPU, limit.IndexTime, limit.DecodeMemory, limit.DecodeCPU, limit.DecodeTime, limit.EncodeMemory, limit.EncodeCPU, limit.EncodeTime,
		limit.Stall, limit.FileBytes, limit.OutputBytes, limit.OutputFiles, limit.WorkBytes, limit.FetchRedirects, limit.FetchConnect, limit.FetchStall, limit.FetchTime,
	} {
		if !seen[n] {
			t.Errorf("%s names no limit", n)
		}
		delete(seen, n)
	}
	if len(seen) > 0 {
		t.Errorf("limits without a name: %v", seen)
	}
	if all.Pixels != 8192*4352 || all.EncodeMemory != 8<<30 || all.Gap != 10*time.Minute || all.Work != 20e12 {
		t.Errorf("%+v", all)
	}
	if some := (limit.Limits{Pixels: 5}).OrDefaults(); some.Pixels != 5 || some.Streams != 64 {
		t.Errorf("%+v", some)
	}
}

func TestExceededTellsWhatRaisesIt(t *testing.T) {
	err := limit.Exceeded(limit.ProbeMemory, "1999", "it needs %d", 7)
	if err.Kind != fault.Limit || err.Code != "1999" || err.Message != "it needs 7" ||
		err.Hint != "--limit-probe-memory, or VODWRIGHT_LIMIT_PROBE_MEMORY in the environment, raises this limit" {
		t.Errorf("%+v", err)
	}
}

func TestNumbers(t *testing.T) {
	for text, want := range map[string]int64{"1": 1, "8GiB": 8 << 30, "1.5MiB": 3 << 19, "2 GB": 2e9, "7B": 7, "3kB": 3000, "1TiB": 1 << 40, "": 0, "0": 0, "-1": 0, "x": 0, "NaN": 0, "1e30": 0, "GiB": 0, "+Inf": 0} {
		var b limit.Bytes
		if err := b.UnmarshalText([]byte(text)); int64(b) != want || (err == nil) != (want > 0) {
			t.Errorf("size %q is %d, %v", text, b, err)
		}
	}
	for text, want := range map[string]int64{"64": 64, "2e13": 2e13, "8192x4352": 8192 * 4352, "0": 0, "": 0, "x": 0, "1x": 0, "1e18x1e18": 0, "NaN": 0} {
		var c limit.Count
		if err := c.UnmarshalText([]byte(text)); int64(c) != want || (err == nil) != (want > 0) {
			t.Errorf("count %q is %d, %v", text, c, err)
		}
	}
	for size, want := range map[limit.Bytes]string{8 << 30: "8GiB", 1000: "1000", 3 << 10: "3KiB", 1<<20 + 1: "1048577"} {
		if size.String() != want {
			t.Errorf("%d is written %s, want %s", int64(size), size, want)
		}
	}
}

func FuzzNumbers(f *testing.F) {
	for _, s := range []string{"8GiB", "1.5MiB", "8192x4352", "2e13", "-1", "0x10", "1e309", "x", "9223372036854775807"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var b limit.Bytes
		var c limit.Count
		if err := b.UnmarshalText([]byte(s)); err == nil && b < 1 {
			t.Errorf("size %q is %d", s, int64(b))
		}
		if err := c.UnmarshalText([]byte(s)); err == nil && c < 1 {
			t.Errorf("count %q is %d", s, int64(c))
		}
		var again limit.Bytes
		if b > 0 && (again.UnmarshalText([]byte(b.String())) != nil || again != b) && b < 1<<53 {
			t.Errorf("%d is written %s", int64(b), b)
		}
	})
}
