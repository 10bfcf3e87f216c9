package e2e

import (
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/aws/smithy-go"

	"vodwright.dev/vodwright/internal/clip"
	"vodwright.dev/vodwright/internal/media"
)

// jobs returns a client of the job API with a key.
func (s *server) jobs(key aws.Credentials) *mediaconvert.Client {
	return mediaconvert.NewFromConfig(s.With(key))
}

// remux makes another file of a clip.
func remux(t *testing.T, from, name string, args ...string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), name)
	args = slices.Concat([]string{"-v", "error", "-i", from}, args, []string{to})
	if out, err := exec.Command("ffmpeg", args...).CombinedOutput(); err != nil {
		t.Fatalf("make %s: %v\n%s", name, err, out)
	}
	return to
}

// TestProbe: what files are, for who may read them.
func TestProbe(t *testing.T) {
	t.Parallel()
	s := startServer(t, "--private-input")
	s.buckets("probed")
	put := func(file string) string {
		t.Helper()
		s.aws(nil, "s3api", "put-object", "--bucket", "probed", "--key", "a b/"+filepath.Base(file), "--body", file, "--content-type", "video/x-test")
		return "s3://probed/a b/" + filepath.Base(file)
	}
	mp4 := makeClip(t, clip.Spec{Width: 320, Height: 180, FrameRate: media.R(30000, 1001), Seconds: 2}, "clip.mp4")
	garbage := filepath.Join(t.TempDir(), "garbage.mp4")
	if err := os.WriteFile(garbage, []byte(strings.Repeat("not a video ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	everything := s.jobs(s.keyOf("everything", policyOf("Allow", "*", "*")))
	probe := func(c *mediaconvert.Client, urls ...string) ([]types.ProbeResult, error) {
		var in mediaconvert.ProbeInput
		for _, u := range urls {
			in.InputFiles = append(in.InputFiles, types.ProbeInputFile{FileUrl: &u})
		}
		out, err := c.Probe(t.Context(), &in)
		if err != nil {
			return nil, err
		}
		return out.ProbeResults, nil
	}
	source := put(mp4)
	got, err := probe(everything, source)
	if err != nil {
		t.Fatal(err)
	}
	c, m := got[0].Container, got[0].Metadata
	if c.Format != types.FormatMp4 || math.Abs(*c.Duration-2) > 0.1 || len(c.Tracks) != 2 {
		t.Fatalf("container %+v", c)
	}
	v, a := c.Tracks[0].VideoProperties, c.Tracks[1].AudioProperties
	if *c.Tracks[0].Index != 1 || c.Tracks[0].Codec != types.CodecAvc || *v.Width != 320 || *v.Height != 180 || *v.BitDepth != 8 ||
		*v.FrameRate.Numerator != 30000 || *v.FrameRate.Denominator != 1001 || *v.CodecMetadata.ChromaSubsampling != "4:2:0" || *v.CodecMetadata.ScanType != "PROGRESSIVE" ||
		v.CodecMetadata.Level == nil || v.CodecMetadata.Profile == nil || *c.Tracks[0].Duration < 1.9 {
		t.Errorf("video %+v %+v", v, v.CodecMetadata)
	}
	if c.Tracks[1].TrackType != types.TrackTypeAudio || c.Tracks[1].Codec != types.CodecAac || *a.Channels < 1 || *a.SampleRate != 48000 {
		t.Errorf("audio %+v", a)
	}
	if k := got[0].TrackMappings; len(k) != 1 || !slices.Equal(k[0].VideoTrackIndexes, []int32{1}) || !slices.Equal(k[0].AudioTrackIndexes, []int32{2}) {
		t.Errorf("mapping %+v", k)
	}
	info, err := os.Stat(mp4)
	if err != nil {
		t.Fatal(err)
	}
	if *m.FileSize != info.Size() || *m.MimeType != "video/x-test" || len(*m.ETag) != 32 || m.LastModified == nil {
		t.Errorf("metadata %+v", m)
	}

	for format, file := range map[types.Format]string{
		types.FormatMatroska:  remux(t, mp4, "clip.mkv", "-c", "copy"),
		types.FormatMpegts:    remux(t, mp4, "clip.ts", "-c", "copy"),
		types.FormatQuicktime: remux(t, mp4, "clip.mov", "-c", "copy"),
		types.FormatWebm:      remux(t, mp4, "clip.webm", "-c:v", "libvpx", "-deadline", "realtime", "-t", "0.5", "-an"),
		"":                    remux(t, mp4, "clip.flv", "-c", "copy", "-t", "1"), // is no format of the API
	} {
		got, err := probe(everything, put(file))
		if err != nil || got[0].Container.Format != format || len(got[0].Container.Tracks) == 0 {
			t.Errorf("%s: %+v, %v", file, got, err)
		}
	}

	web := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(mp4))))
	t.Cleanup(web.Close)
	if got, err := probe(everything, web.URL+"/clip.mp4"); err != nil || got[0].Container.Format != types.FormatMp4 || *got[0].Metadata.MimeType != "video/mp4" || got[0].Metadata.LastModified == nil {
		t.Errorf("over HTTP: %+v, %v", got, err)
	}

	blind := s.jobs(s.keyOf("blind", policyOf("Allow", "mediaconvert:*", "*")))
	idle := s.jobs(s.keyOf("idle", policyOf("Allow", "s3:*", "*")))
	for _, c := range []struct {
		name, code, text string
		client           *mediaconvert.Client
		url              []string
	}{
		{"no media", "BadRequestException", "error 10", everything, []string{put(garbage)}},
		{"nothing there", "NotFoundException", "", everything, []string{"s3://probed/none.mp4"}},
		{"no right to read", "ForbiddenException", "s3:GetObject", blind, []string{source}},
		{"no right to probe", "AccessDeniedException", "mediaconvert:Probe", idle, []string{source}},
		{"a file of the server", "BadRequestException", "/inputFiles/0/fileUrl", everything, []string{"file:///etc/passwd"}},
		{"no such page", "NotFoundException", "404", everything, []string{web.URL + "/none.mp4"}},
		{"no file", "BadRequestException", "inputFiles", everything, nil},
	} {
		_, err := probe(c.client, c.url...)
		var api smithy.APIError
		if !errors.As(err, &api) || !strings.Contains(api.ErrorMessage(), c.text) || api.ErrorCode() != c.code {
			t.Errorf("%s: %v, want %s with %q", c.name, err, c.code, c.text)
		}
	}
	if left, err := os.ReadDir(filepath.Join(s.data, "looks")); err != nil || len(left) != 0 {
		t.Errorf("%d files are left, %v", len(left), err)
	}
}
