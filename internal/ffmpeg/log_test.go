package ffmpeg

import (
	"bytes"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"vodwright.dev/vodwright/internal/fault"
)

func TestTailKeepsBothEnds(t *testing.T) {
	line := strings.Repeat("0123456789", 100) + "\n"
	for _, size := range []int{1, 7, 1000, 1 << 20} {
		log := newTail(64 << 10)
		in := []byte("first\n" + strings.Repeat(line, 500) + "last\n")
		for piece := in; len(piece) > 0; {
			n, err := log.Write(piece[:min(size, len(piece))])
			if err != nil {
				t.Fatal(err)
			}
			piece = piece[n:]
		}
		got := log.String()
		if !strings.HasPrefix(got, "first\n0123") || !strings.HasSuffix(got, "6789\nlast\n") || len(got) > 65<<10 || strings.Count(got, "[…]") != 1 {
			t.Errorf("in pieces of %d: %d bytes, %.10q … %q", size, len(got), got, got[len(got)-20:])
		}
	}
	short := newTail(64 << 10)
	_, _ = short.Write([]byte("one\n"))
	_, _ = short.Write([]byte("two\n"))
	if short.String() != "one\ntwo\n" {
		t.Errorf("%q", short.String())
	}
}

func TestClassify(t *testing.T) {
	exit := func(code int) syscall.WaitStatus { return syscall.WaitStatus(code << 8) }
	for _, c := range []struct {
		log    string
		status syscall.WaitStatus
		cpu    time.Duration
		kind   fault.Kind
		code   string
		says   string
	}{
		{"[mov,mp4 @ 0x5581] moov atom not found\nfile:/in/0: Invalid data found when processing input\n", exit(1), 0, fault.Invalid, "1010", "no index (moov)"},
		{"file:/in/0: Invalid data found when processing input\n", exit(1), 0, fault.Invalid, "1010", "not a media file"},
		{"file:/in/0: Permission denied\n", exit(1), 0, fault.Denied, "1056", "may not be read"},
		{"av_interleaved_write_frame(): No space left on device\nConversion failed!\n", exit(1), 0, fault.Unavailable, "1050", "disk is full"},
		{"Stream map '0:a:3' matches no streams.\n", exit(1), 0, fault.Invalid, "1020", "does not have the stream"},
		{"Decoder (codec vvc) not found for input stream #0:0\n", exit(1), 0, fault.Invalid, "1030", "no decoder"},
		{"Error while decoding stream #0:0: Invalid data found when processing input\n", exit(69), 0, fault.Invalid, "1075", "damaged"},
		{"", exit(128 + 9), 0, fault.Unavailable, "1999", "signal 9"},
		{"", exit(128 + 9), 100 * time.Second, fault.Limit, "1999", "processor time"},
		{"", syscall.WaitStatus(syscall.SIGSEGV), 0, fault.Internal, "1999", "signal 11"},
		{"", exit(128 + 25), 0, fault.Limit, "1050", "became larger than"},
		{"bwrap: setting up uid map: Permission denied\n", exit(1), 0, fault.Unavailable, "1999", "sandbox cannot start: setting up uid map"},
		{"", exit(255), 0, fault.Internal, "1999", "exit status 255"},
	} {
		f := classify(failure{program: "ffmpeg", status: c.status, wrapped: true, limits: Limits{CPU: 100 * time.Second}, cpu: c.cpu, log: c.log})
		if f.Kind != c.kind || f.Code != c.code || !strings.Contains(f.Message, c.says) || strings.Contains(f.Message, "/") {
			t.Errorf("%q: %+v, want %v %s %q", c.log, f, c.kind, c.code, c.says)
		}
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"[h264 @ 0x55b5f6e38b00] mmco: unref short failure": "mmco: unref short failure",
		"file:/in/0: End of file":                           "input: End of file",
		"/home/user/secret/clip.mp4: No such file":          "…: No such file",
		"at 0xdeadbeefcafe \x1b[31mred\x00":                 "at … [31mred",
		strings.Repeat("é", 300):                            strings.Repeat("é", 100) + "…",
	} {
		if got := clean(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzProgress(f *testing.F) {
	f.Add([]byte("frame=50\nout_time_us=2000000\ntotal_size=N/A\nprogress=end\n"))
	f.Add([]byte("frame=-1\nout_time_us=99999999999999999\nprogress=continue"))
	f.Fuzz(func(t *testing.T, data []byte) {
		last := Progress{}
		err := parseProgress(bytes.NewReader(data), func(p Progress, _ bool) {
			if p.Frame < last.Frame || p.OutTime < last.OutTime {
				t.Errorf("%+v after %+v", p, last)
			}
			last = p
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func FuzzClean(f *testing.F) {
	f.Add("[mov @ 0x1] file:/in/0: bad\xff")
	f.Fuzz(func(t *testing.T, line string) {
		got := clean(line)
		if !utf8.ValidString(got) || len(got) > maxLine+len("…") || strings.ContainsAny(got, "\n\x00\x1b") {
			t.Errorf("%q", got)
		}
	})
}
