package automation_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/event/automation"
	"vodwright.dev/vodwright/internal/fault"
)

func box(kind string, body ...[]byte) []byte {
	all := bytes.Join(body, nil)
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(len(all)+8)), kind...), all...)
}

func track(handler string) []byte {
	return box("trak", box("mdia", box("hdlr", make([]byte, 8), []byte(handler), make([]byte, 12))))
}

func TestSniff(t *testing.T) {
	ftyp := box("ftyp", []byte("isom\x00\x00\x02\x00isom"))
	large := append([]byte("\x00\x00\x00\x01mdat\x00\x00\x00\x00\x00\x00\x00\x20"), make([]byte, 16)...)
	for _, c := range []struct {
		name string
		data []byte
		want automation.Verdict
		says string
	}{
		{"a video", bytes.Join([][]byte{ftyp, box("mdat", make([]byte, 100)), box("moov", box("mvhd", make([]byte, 100)), track("soun"), track("vide"))}, nil), automation.Video, ""},
		{"a large mdat", bytes.Join([][]byte{large, box("moov", track("vide"))}, nil), automation.Video, ""},
		{"QuickTime without ftyp", bytes.Join([][]byte{box("wide"), box("mdat", []byte("x")), box("moov", track("vide"))}, nil), automation.Video, ""},
		{"audio", bytes.Join([][]byte{ftyp, box("moov", track("soun"))}, nil), automation.NotVideo, "audio without video"},
		{"no moov", bytes.Join([][]byte{ftyp, box("mdat", make([]byte, 9))}, nil), automation.Unknown, ""},
		{"cut off", append(ftyp, "\x00\x00\xff\xffmdat"...), automation.Unknown, ""},
		{"a box of nothing", append(ftyp, "\x00\x00\x00\x03mdat"...), automation.Unknown, ""},
		{"a picture", box("ftyp", []byte("heic\x00\x00\x00\x00mif1heic")), automation.NotVideo, "an image"},
		{"Matroska", []byte("\x1a\x45\xdf\xa3\x01\x00\x00\x00\x00\x00\x00\x1f"), automation.Unknown, ""},
		{"a playlist", []byte("#EXTM3U\n#EXT-X-VERSION:6\n"), automation.NotVideo, "a playlist"},
		{"text", []byte(strings.Repeat("grüße, 世界\n", 1000)), automation.NotVideo, "text"},
		{"one byte", []byte("x"), automation.NotVideo, "text"},
		{"json", []byte(`{"a":1}`), automation.NotVideo, "text"},
		{"a zip", []byte("PK\x03\x04\x00\x00"), automation.NotVideo, "a zip archive"},
		{"PNG", []byte("\x89PNG\r\n\x1a\n\x00\x00"), automation.NotVideo, "an image"},
		{"JPEG", []byte("\xff\xd8\xff\xe0\x00\x10JFIF"), automation.NotVideo, "an image"},
		{"WAVE", []byte("RIFF\x24\x00\x00\x00WAVEfmt "), automation.NotVideo, "audio without video"},
		{"AVI", []byte("RIFF\x24\x00\x00\x00AVI LIST\x00"), automation.Unknown, ""},
		{"MPEG-TS", bytes.Repeat([]byte("G\x40\x00\x10\x00"), 40), automation.Unknown, ""},
	} {
		got, says, err := automation.Sniff(bytes.NewReader(c.data), int64(len(c.data)))
		if err != nil || got != c.want || says != c.says {
			t.Errorf("%s: %v %q %v, want %v %q", c.name, got, says, err, c.want, c.says)
		}
	}
}

func FuzzSniff(f *testing.F) {
	f.Add([]byte("\x1a\x45\xdf\xa3\x81x\x18\x53\x80\x67\xff\x16\x54\xae\x6b\x85\xae\x83\x83\x81\x01"))
	f.Add(bytes.Repeat(append([]byte("G\x40\x00\x10\x00\x00\xb0\x0d\x00\x01\xc1\x00\x00\x00\x01\xe0\x00"), make([]byte, 171)...), 5))
	f.Add(bytes.Join([][]byte{box("ftyp", []byte("isom")), box("moov", track("vide"))}, nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, _, err := automation.Sniff(bytes.NewReader(data), int64(len(data))); err != nil {
			t.Error(err)
		}
	})
}

// TestSniffFindsVideoInRealFiles makes files of every container that is looked
// into, and of some that are not.
func TestSniffFindsVideoInRealFiles(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		name string
		args []string
		want automation.Verdict
	}{
		{"v.mp4", nil, automation.Video},
		{"fragmented.mp4", []string{"-movflags", "frag_keyframe+empty_moov"}, automation.Video},
		{"v.mov", nil, automation.Video},
		{"v.mkv", nil, automation.Video},
		{"v.webm", []string{"-c:v", "libvpx", "-c:a", "libvorbis"}, automation.Video},
		{"v.ts", nil, automation.Video},
		{"v.m2ts", []string{"-mpegts_m2ts_mode", "1"}, automation.Video},
		{"v.avi", nil, automation.Unknown},
		{"v.flv", []string{"-ar", "44100"}, automation.Unknown},
		{"a.m4a", []string{"-vn"}, automation.NotVideo},
		{"a.mka", []string{"-vn"}, automation.Unknown},
		{"a.ts", []string{"-vn"}, automation.Unknown},
		{"a.mp3", []string{"-vn", "-c:a", "libmp3lame"}, automation.Unknown},
		{"a.flac", []string{"-vn", "-c:a", "flac"}, automation.NotVideo},
		{"a.wav", []string{"-vn", "-c:a", "pcm_s16le"}, automation.NotVideo},
		{"i.png", []string{"-an", "-c:v", "png", "-frames:v", "1", "-f", "image2"}, automation.NotVideo},
		{"i.jpg", []string{"-an", "-c:v", "mjpeg", "-frames:v", "1", "-f", "image2"}, automation.NotVideo},
		{"i.bmp", []string{"-an", "-c:v", "bmp", "-frames:v", "1", "-f", "image2"}, automation.NotVideo},
		{"i.webp", []string{"-an", "-c:v", "libwebp", "-frames:v", "1", "-f", "image2"}, automation.NotVideo},
	} {
		path := filepath.Join(dir, c.name)
		args := append([]string{"-v", "error", "-f", "lavfi", "-i", "testsrc2=s=64x64:r=25:d=1", "-f", "lavfi", "-i", "sine=d=1", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac"}, c.args...)
		if out, err := exec.Command("ffmpeg", append(args, path)...).CombinedOutput(); err != nil {
			t.Fatalf("make %s: %v\n%s", c.name, err, out)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got, says, err := automation.Sniff(bytes.NewReader(data), int64(len(data)))
		if err != nil || got != c.want {
			t.Errorf("%s: %v %q %v, want %v", c.name, got, says, err, c.want)
		}
	}
}

// house is what a Starter asks of the rest.
type house struct {
	object   automation.Object
	err      error
	notVideo string
	template automation.Template
	found    string
	documents,
	roles []string
	fail error
}

func (h *house) Stat(context.Context, string, string) (automation.Object, error) {
	return h.object, h.err
}
func (h *house) Look(context.Context, string, string) (string, error) { return h.notVideo, nil }
func (h *house) Template(_ context.Context, role, name string) (automation.Template, error) {
	h.roles = append(h.roles, role+" "+name)
	return h.template, nil
}

func (h *house) Create(_ context.Context, role string, doc json.RawMessage) (string, error) {
	h.roles, h.documents = append(h.roles, role), append(h.documents, string(doc))
	return "1-job", h.fail
}

func (h *house) Find(context.Context, string, time.Time) (string, error) { return h.found, nil }

func newHouse(t *testing.T, template string) (*house, *automation.Starter) {
	t.Helper()
	h := &house{object: automation.Object{VersionID: "v", Size: 5, ETag: "e"}}
	if err := json.Unmarshal([]byte(template), &h.template); err != nil {
		t.Fatal(err)
	}
	return h, automation.New(automation.Config{Objects: h, Content: h, API: h})
}

func order(key string) event.JobOrder {
	detail, err := json.Marshal(map[string]any{"bucket": map[string]string{"name": "in"}, "object": map[string]any{"key": key, "etag": "e", "version-id": "v", "sequencer": "0A"}})
	if err != nil {
		panic(err)
	}
	return event.JobOrder{
		Rule: "r", TargetID: "job", TemplateARN: "arn:aws:mediaconvert:us-east-1:000000000000:jobTemplates/my t", RoleARN: "role", FirstTry: true,
		Input: json.RawMessage(`{"destination":"s3://out/streams/","userMetadata":{"a":"b"},"priority":3}`),
		Event: event.Event{Source: "aws.s3", DetailType: "Object Created", Detail: detail},
	}
}

const twoGroups = `{"settings":{"inputs":[{}],"outputGroups":[
	{"outputGroupSettings":{"type":"HLS_GROUP_SETTINGS"}},
	{"outputGroupSettings":{"type":"FILE_GROUP_SETTINGS"},"outputs":[{"videoDescription":{"codecSettings":{"codec":"H_264"}}}]},
	{"outputGroupSettings":{"type":"FILE_GROUP_SETTINGS"},"outputs":[{"videoDescription":{"codecSettings":{"codec":"FRAME_CAPTURE"}}}]}]}}`

func TestTheJobOfAnUpload(t *testing.T) {
	h, s := newHouse(t, twoGroups)
	for range 2 { // again makes the same
		answer, err := s.Start(t.Context(), order("dir/a b+%20 ü $x$.final.mp4"))
		if err != nil || answer.JobID != "1-job" || answer.Ignored != "" {
			t.Fatalf("%+v %v", answer, err)
		}
	}
	if len(h.documents) != 2 || h.documents[0] != h.documents[1] {
		t.Fatalf("two times the same event: %q", h.documents)
	}
	asset := automation.AssetID("r", "job", "in", "0A")
	var got struct {
		JobTemplate, Role, ClientRequestToken string
		Priority                              int
		UserMetadata                          map[string]string
		Settings                              struct {
			Inputs       []map[string]any
			OutputGroups []struct {
				OutputGroupSettings map[string]any
			}
		}
	}
	if err := json.Unmarshal([]byte(h.documents[0]), &got); err != nil {
		t.Fatal(err)
	}
	if got.JobTemplate != "my t" || got.Role != "role" || got.Priority != 3 || len(got.ClientRequestToken) != 36 ||
		got.UserMetadata["assetID"] != asset || got.UserMetadata["automation"] != "r/job" || got.UserMetadata["a"] != "b" || got.Settings.Inputs[0]["fileInput"] != "s3://in/dir/a b+%20 ü $x$.final.mp4" {
		t.Errorf("%s", h.documents[0])
	}
	for i, want := range []string{"HLS", "MP4", "Thumbnails"} {
		text, err := json.Marshal(got.Settings.OutputGroups[i].OutputGroupSettings)
		if err != nil || !strings.Contains(string(text), `"destination":"s3://out/streams/assets/`+asset+`/`+want+`/a b+%20 ü $$x$$.final"`) {
			t.Errorf("group %d: %s %v", i, text, err)
		}
	}
	o := order("dir/a b+%20 ü $x$.final.mp4")
	o.TargetID = "other"
	if _, err := s.Start(t.Context(), o); err != nil || h.documents[2] == h.documents[0] {
		t.Error("another target makes the same job")
	}
}

func TestWhatBecomesNoJob(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*house, *event.JobOrder)
		says   string
	}{
		{"gone", func(h *house, _ *event.JobOrder) { h.err = fault.New(fault.NotFound, "NoSuchKey", "") }, "the object is gone"},
		{"an output", func(h *house, _ *event.JobOrder) { h.object.Job = "1-x" }, "it is an output of job 1-x"},
		{"overwritten", func(h *house, _ *event.JobOrder) { h.object.VersionID = "w" }, "overwritten"},
		{"overwritten in a bucket without versions", func(h *house, _ *event.JobOrder) { h.object.ETag = "f" }, "overwritten"},
		{"empty", func(h *house, _ *event.JobOrder) { h.object.Size = 0 }, "it is empty"},
		{"text", func(h *house, _ *event.JobOrder) { h.notVideo = "it is no video but text" }, "text"},
		{"another event", func(_ *house, o *event.JobOrder) { o.Event.DetailType = "Object Deleted" }, "Object Created"},
	} {
		h, s := newHouse(t, twoGroups)
		o := order("a.mp4")
		c.change(h, &o)
		answer, err := s.Start(t.Context(), o)
		if err != nil || !strings.Contains(answer.Ignored, c.says) || len(h.documents) != 0 {
			t.Errorf("%s: %+v %v", c.name, answer, err)
		}
	}
	h, s := newHouse(t, twoGroups)
	h.found = "1-earlier"
	o := order("a.mp4")
	o.FirstTry = false
	if answer, err := s.Start(t.Context(), o); err != nil || answer.JobID != "1-earlier" || len(h.documents) != 0 {
		t.Errorf("a job of an attempt before: %+v %v", answer, err)
	}
	_, s = newHouse(t, `{"settings":{"outputGroups":[]}}`)
	if _, err := s.Start(t.Context(), order("a.mp4")); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a template without groups: %v", err)
	}
	h, s = newHouse(t, twoGroups)
	h.fail = fault.New(fault.Unavailable, "", "busy")
	if _, err := s.Start(t.Context(), order("a.mp4")); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a busy API: %v", err)
	}
}
