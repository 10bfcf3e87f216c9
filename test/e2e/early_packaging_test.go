package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"vodwright.dev/vodwright/internal/clip"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/test/harness"
)

// Outputs of one rung, and of sound.
const (
	earlyPicture = `"VideoDescription": {"Width": 640, "Height": 360, "CodecSettings": {"Codec": "H_264", "H264Settings": {"RateControlMode": "QVBR", "MaxBitrate": 900000,
		"GopSize": 1, "GopSizeUnits": "SECONDS", "CodecProfile": "MAIN", "NumberBFramesBetweenReferenceFrames": 2}}}`
	earlySound = `"AudioDescriptions": [{"CodecSettings": {"Codec": "AAC", "AacSettings": {"Bitrate": 64000, "CodingMode": "CODING_MODE_2_0", "SampleRate": 48000}}}]`
	// Encrypted HLS of long segments with its sound apart, and CMAF.
	earlyGroups = `{"Inputs": [{"FileInput": "s3://films/long.mp4", "AudioSelectors": {"Audio Selector 1": {"DefaultSelection": "DEFAULT"}}}], "OutputGroups": [
		{"OutputGroupSettings": {"Type": "HLS_GROUP_SETTINGS", "HlsGroupSettings": {"Destination": "s3://streams/hls/film", "SegmentLength": 10, "MinSegmentLength": 0,
			"Encryption": {"EncryptionMethod": "AES128", "Type": "STATIC_KEY", "StaticKeyProvider": {"StaticKeyValue": "00112233445566778899aabbccddeeff", "Url": "key.bin"}}}},
		 "Outputs": [
			{"NameModifier": "_v", "ContainerSettings": {"Container": "M3U8"}, ` + earlyPicture + `, "OutputSettings": {"HlsSettings": {"AudioRenditionSets": "voices"}}},
			{"NameModifier": "_a", "ContainerSettings": {"Container": "M3U8"}, ` + earlySound + `, "OutputSettings": {"HlsSettings": {"AudioGroupId": "voices", "AudioTrackType": "ALTERNATE_AUDIO_AUTO_SELECT_DEFAULT"}}}]},
		{"OutputGroupSettings": {"Type": "CMAF_GROUP_SETTINGS", "CmafGroupSettings": {"Destination": "s3://streams/cmaf/film", "SegmentLength": 4, "FragmentLength": 1, "WriteHlsManifest": "ENABLED", "WriteDashManifest": "DISABLED"}},
		 "Outputs": [
			{"NameModifier": "_v", "ContainerSettings": {"Container": "CMFC"}, ` + earlyPicture + `},
			{"NameModifier": "_a", "ContainerSettings": {"Container": "CMFC"}, ` + earlySound + `}]}]}`
)

// earlyServer has a film, and a distribution before the bucket of streams.
func earlyServer(t *testing.T, seconds int, args ...string) (s *server, address, role string) {
	t.Helper()
	s = startServer(t, append([]string{"--workers", "1"}, args...)...)
	s.buckets("films", "streams")
	s.putFile("films", "long.mp4", makeClip(t, clip.Spec{Width: 640, Height: 360, FrameRate: media.R(25, 1), Seconds: seconds}, "long.mp4"))
	role = s.role("encode", "mediaconvert.amazonaws.com", `{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"*"}`)
	return s, s.distribute("streams"), role
}

// begin submits a job.
func (s *server) begin(role, settings string, metadata map[string]string) string {
	s.t.Helper()
	in := mediaconvert.CreateJobInput{Role: &role, Settings: new(types.JobSettings), UserMetadata: metadata}
	s.must(json.Unmarshal([]byte(settings), in.Settings))
	made, err := s.Jobs().CreateJob(s.t.Context(), &in)
	s.must(err)
	return *made.Job.Id
}

// TestEveryPackagingPlaysEarly takes what a job at work promises: encrypted segments
// with their sound apart, fragmented MP4; and holds it against what is published. Long
// segments come while they are encoded.
func TestEveryPackagingPlaysEarly(t *testing.T) {
	t.Parallel()
	s, address, role := earlyServer(t, 41)
	id := s.begin(role, earlyGroups, nil)
	viewer := harness.Viewer()
	held := map[string][]byte{}
	begun := 0
	take := func(url string) string {
		t.Helper()
		answer, err := viewer.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %v", url, answer.Status, err)
		}
		if answer.ContentLength < 0 {
			begun++
		}
		held[url] = body
		return string(body)
	}
	eventually(t, time.Minute, "the job has begun", func() bool {
		j, err := s.Jobs().GetJob(t.Context(), &mediaconvert.GetJobInput{Id: &id})
		s.must(err)
		return j.Job.Status == types.JobStatusProgressing
	})
	if code, _ := status(t, address+"/hls/film.m3u8"); code != http.StatusOK { // planned or not: it is waited for
		t.Errorf("the playlist of a job that has begun: %d", code)
	}
	for _, top := range []string{address + "/hls/film.m3u8", address + "/cmaf/film.m3u8"} {
		text := planned(t, top)
		lists := uris(top, text)
		for line := range strings.Lines(text) { // the sound apart
			if _, rest, ok := strings.Cut(line, `TYPE=AUDIO`); ok {
				_, uri, _ := strings.Cut(rest, `URI="`)
				uri, _, _ = strings.Cut(uri, `"`)
				lists = append(lists, top[:strings.LastIndex(top, "/")+1]+uri)
			}
		}
		if len(lists) != 2 {
			t.Fatalf("%s:\n%s", top, text)
		}
		for _, list := range lists {
			media := take(list)
			if _, rest, ok := strings.Cut(media, `#EXT-X-MAP:URI="`); ok {
				init, _, _ := strings.Cut(rest, `"`)
				take(list[:strings.LastIndex(list, "/")+1] + init)
			}
			segments := uris(list, media)
			if strings.HasSuffix(list, "/hls/film_v.m3u8") {
				killWhileSent(t, s, segments[1:3], held)
			}
			take(segments[len(segments)-2]) // far from what is encoded
			take(segments[0])
		}
	}
	if begun == 0 {
		t.Error("no segment came while it was encoded")
	}
	if j, err := s.Jobs().GetJob(t.Context(), &mediaconvert.GetJobInput{Id: &id}); err != nil || j.Job.Status != types.JobStatusProgressing {
		t.Errorf("the job is %s (%v): it was not at work all the while", j.Job.Status, err)
	}
	if j := s.waitJob(id, 6*time.Minute); j.Job.Status != "COMPLETE" {
		t.Fatalf("the job ended %s: %d %s", j.Job.Status, j.Job.ErrorCode, j.Job.ErrorMessage)
	}
	for url, before := range held {
		if after := download(t, url); string(after) != string(before) {
			t.Errorf("%s: %d bytes were served early, %d others were published", url, len(before), len(after))
		}
	}
	s.stop()
}

// killWhileSent asks for segments one after the other and kills the process that encodes
// one while it is sent: what comes has to be all of it all the same.
func killWhileSent(t *testing.T, s *server, segments []string, held map[string][]byte) {
	t.Helper()
	killed := false
	for _, url := range segments {
		answer, err := harness.Viewer().Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		first := make([]byte, 1)
		if _, err := io.ReadFull(answer.Body, first); err != nil {
			t.Fatal(err)
		}
		for _, pid := range encodersBelow(t, s.data) {
			command, err := os.ReadFile("/proc/" + pid + "/cmdline")
			if n, failed := strconv.Atoi(pid); err == nil && failed == nil && !killed && strings.Contains(string(command), "/try-rung-") {
				killed = syscall.Kill(n, syscall.SIGKILL) == nil
			}
		}
		rest, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatalf("%s: %v", url, err)
		}
		held[url] = append(first, rest...)
	}
	if !killed {
		t.Error("no process was at work while a segment was sent")
	}
}

// TestJobsThatAreNotPlayedEarly: by their own word or the server's, nothing is served of
// them before they are done.
func TestJobsThatAreNotPlayedEarly(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args     []string
		metadata map[string]string
	}{
		"of a job":    {metadata: map[string]string{"vodwright-early": "off"}},
		"of a server": {args: []string{"--no-early"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, address, role := earlyServer(t, 21, test.args...)
			id := s.begin(role, earlyGroups, test.metadata)
			eventually(t, time.Minute, "the job encodes", func() bool {
				j, err := s.Jobs().GetJob(t.Context(), &mediaconvert.GetJobInput{Id: aws.String(id)})
				s.must(err)
				return j.Job.CurrentPhase == types.JobPhaseTranscoding
			})
			for _, key := range []string{"/hls/film.m3u8", "/hls/film_v.m3u8", "/hls/film_v_00001.ts", "/cmaf/film.m3u8"} {
				if code, _ := status(t, address+key); code != http.StatusNotFound {
					t.Errorf("%s: %d", key, code)
				}
			}
			_, err := s.Jobs().CancelJob(t.Context(), &mediaconvert.CancelJobInput{Id: &id})
			s.must(err)
			s.stop()
		})
	}
}
