package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/clip"
	"vodwright.dev/vodwright/internal/media"
)

// TestJoinedInputs clips and joins inputs of other rates, sizes and containers in
// one job: every frame that was asked for is there once, in order, in the stream
// and in the movie, and sound stays with its picture.
func TestJoinedInputs(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	film := clip.Spec{Width: 640, Height: 360, FrameRate: media.R(25, 1), Seconds: 14}
	intro := clip.Spec{Width: 320, Height: 320, FrameRate: media.R(25, 1), Seconds: 4}
	s.buckets("footage", "media")
	s.putFile("footage", "film.ts", makeClip(t, film, "film.ts"))
	s.putFile("footage", "intro.mkv", makeClip(t, intro, "intro.mkv"))
	edge := s.distribute("media")
	role := s.role("joiner", "mediaconvert.amazonaws.com", `{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"*"}`)

	settings := filepath.Join(t.TempDir(), "settings.json")
	if err := os.WriteFile(settings, []byte(joinedSettings), 0o600); err != nil {
		t.Fatal(err)
	}
	var j jobDoc
	s.aws(&j, "mediaconvert", "create-job", "--role", role, "--settings", "file://"+settings)
	j = s.waitJob(j.Job.ID, 5*time.Minute)
	if j.Job.Status != "COMPLETE" {
		t.Fatalf("the job ended %s: %d %s", j.Job.Status, j.Job.ErrorCode, j.Job.ErrorMessage)
	}
	var want []int64
	add := func(from, to int64) {
		for n := from; n < to; n++ {
			want = append(want, n)
		}
	}
	add(25, 100) // of intro
	add(200, 260)
	add(30, 31)
	add(300, 350)

	movie := filepath.Join(t.TempDir(), "movie.mp4")
	if err := os.WriteFile(movie, download(t, edge+"/joined/intro_movie.mp4"), 0o600); err != nil {
		t.Fatal(err)
	}
	same := func(name string, got []int64) {
		if len(got) != len(want) {
			t.Errorf("%s: %d frames, want %d", name, len(got), len(want))
		}
		for i := range min(len(got), len(want)) {
			if got[i] != want[i] {
				t.Errorf("%s: frame %d shows %d, want %d", name, i, got[i], want[i])
				return
			}
		}
	}
	same("mp4", counters(t, movie))
	stream := fetchStream(t, edge+"/joined/intro.m3u8")
	checkShape(t, stream)
	for i := range stream.variants {
		same(fmt.Sprintf("variant %d", i), counters(t, filepath.Join(stream.dir, fmt.Sprintf("whole-%d.ts", i))))
	}
}

// joinedSettings shows intro's seconds 1 to 4, then three parts of film: two and
// forty hundredths of a second from 8 s on, one single frame, and its last two seconds.
const joinedSettings = `{
 "Inputs": [
  {"FileInput": "s3://footage/intro.mkv", "TimecodeSource": "ZEROBASED", "AudioSelectors": {"Audio Selector 1": {"DefaultSelection": "DEFAULT"}},
   "InputClippings": [{"StartTimecode": "00:00:01:00", "EndTimecode": "00:00:03:24"}]},
  {"FileInput": "s3://footage/film.ts", "TimecodeSource": "SPECIFIEDSTART", "TimecodeStart": "10:00:00:00", "AudioSelectors": {"Audio Selector 1": {"DefaultSelection": "DEFAULT"}},
   "InputClippings": [{"StartTimecode": "10:00:08:00", "EndTimecode": "10:00:10:09"}, {"StartTimecode": "10:00:01:05", "EndTimecode": "10:00:01:05"}, {"StartTimecode": "10:00:12:00"}]}
 ],
 "OutputGroups": [
  {"OutputGroupSettings": {"Type": "HLS_GROUP_SETTINGS", "HlsGroupSettings": {"Destination": "s3://media/joined/", "SegmentLength": 3, "MinSegmentLength": 0}},
   "Outputs": [
    {"NameModifier": "_a", "ContainerSettings": {"Container": "M3U8"}, "AudioDescriptions": [{"CodecSettings": {"Codec": "AAC", "AacSettings": {"Bitrate": 96000, "CodingMode": "CODING_MODE_2_0", "SampleRate": 48000}}}],
     "VideoDescription": {"ScalingBehavior": "STRETCH_TO_OUTPUT", "Width": 640, "Height": 360, "CodecSettings": {"Codec": "H_264", "H264Settings": {"RateControlMode": "QVBR", "MaxBitrate": 1000000, "GopSize": 50, "GopSizeUnits": "FRAMES"}}}},
    {"NameModifier": "_b", "ContainerSettings": {"Container": "M3U8"}, "AudioDescriptions": [{"CodecSettings": {"Codec": "AAC", "AacSettings": {"Bitrate": 96000, "CodingMode": "CODING_MODE_2_0", "SampleRate": 48000}}}],
     "VideoDescription": {"ScalingBehavior": "STRETCH_TO_OUTPUT", "Width": 320, "Height": 180, "CodecSettings": {"Codec": "H_264", "H264Settings": {"RateControlMode": "QVBR", "MaxBitrate": 400000, "GopSize": 50, "GopSizeUnits": "FRAMES"}}}}]},
  {"OutputGroupSettings": {"Type": "FILE_GROUP_SETTINGS", "FileGroupSettings": {"Destination": "s3://media/joined/"}},
   "Outputs": [{"NameModifier": "_movie", "ContainerSettings": {"Container": "MP4"}, "AudioDescriptions": [{"CodecSettings": {"Codec": "AAC", "AacSettings": {"Bitrate": 96000, "CodingMode": "CODING_MODE_2_0", "SampleRate": 48000}}}],
     "VideoDescription": {"ScalingBehavior": "STRETCH_TO_OUTPUT", "Width": 640, "Height": 360, "CodecSettings": {"Codec": "H_264", "H264Settings": {"RateControlMode": "QVBR", "MaxBitrate": 1000000}}}}]}
 ]}`
