package worker

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/hls"
)

// packClip runs a job of one HLS group with two outputs over a clip of 150 frames
// at 25 a second, with members added to the group's and to the first output's
// settings, and returns the folder it published to.
func packClip(t *testing.T, source, group, output string) string {
	t.Helper()
	const outputs = `{"nameModifier":"_%d","containerSettings":{"container":"M3U8"},%s
	 "videoDescription":{"width":%d,"height":%d,"codecSettings":{"codec":"H_264","h264Settings":{"rateControlMode":"QVBR","maxBitrate":200000,"gopSize":1,"gopSizeUnits":"SECONDS",
	  "framerateControl":"SPECIFIED","framerateNumerator":25,"framerateDenominator":1}}},
	 "audioDescriptions":[{"codecSettings":{"codec":"AAC","aacSettings":{"bitrate":64000,"codingMode":"CODING_MODE_2_0","sampleRate":48000}}}]}`
	request := fmt.Sprintf(`{"settings":{"timecodeConfig":{"source":"SPECIFIEDSTART","start":"10:00:00:05","timestampOffset":"2026-02-03"},
	 "inputs":[{"fileInput":"s3://in/clip.mp4"}],"outputGroups":[
	 {"outputGroupSettings":{"type":"HLS_GROUP_SETTINGS","hlsGroupSettings":{"destination":"s3://out/a/b","segmentLength":2,"minSegmentLength":0%s}},
	 "outputs":[%s,%s]}]}}`, group, fmt.Sprintf(outputs, 1, output, 160, 90), fmt.Sprintf(outputs, 2, "", 96, 54))
	f := &folder{source: source, root: t.TempDir(), owner: map[string]string{}}
	w := newWorker(t, f)
	if _, _, err := w.Local(t.Context(), "job", time.Now(), []byte(request), func(string, int) {}); err != nil {
		t.Fatal(err)
	}
	return f.root
}

// frames counts what a decoder gets from a playlist or file.
func frames(t *testing.T, file string) int {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-allowed_extensions", "ALL", "-select_streams", "v:0", "-count_frames",
		"-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", file).Output() // it tells of segments that are not there in a description of its end
	if err != nil {
		t.Fatalf("%s: %v\n%s", file, err, out)
	}
	n, err := strconv.Atoi(strings.TrimSpace(strings.Split(string(out), "\n")[0]))
	if err != nil {
		t.Fatalf("%s: %v\n%s", file, err, out)
	}
	return n
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func mediaPlaylistOf(t *testing.T, text string) *hls.MediaPlaylist {
	t.Helper()
	p, err := hls.ParseMediaPlaylist([]byte(text))
	if err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	return p
}

// TestOutputsOfSeveralRates packages rungs of several frame rates together, which the
// job's own checks of playlists, descriptions and segments have to find right.
func TestOutputsOfSeveralRates(t *testing.T) {
	t.Parallel()
	group := func(kind, member, container, more string) string {
		const output = `{"nameModifier":"_%d","containerSettings":{"container":"%s"},"videoDescription":{"width":96,"height":54,"codecSettings":{"codec":"H_264",
		 "h264Settings":{"rateControlMode":"QVBR","maxBitrate":200000,"framerateControl":"SPECIFIED","framerateNumerator":%d,"framerateDenominator":1001}}},
		 "audioDescriptions":[{"codecSettings":{"codec":"AAC","aacSettings":{"bitrate":64000,"codingMode":"CODING_MODE_2_0","sampleRate":48000}}}]}`
		return fmt.Sprintf(`{"outputGroupSettings":{"type":"%s","%s":{"destination":"s3://out/%s/b","segmentLength":2%s}},"outputs":[%s,%s,%s]}`, kind, member, container, more,
			fmt.Sprintf(output, 1, container, 60000), fmt.Sprintf(output, 2, container, 25025), fmt.Sprintf(output, 3, container, 24000))
	}
	f := &folder{source: makeClip(t), root: t.TempDir(), owner: map[string]string{}}
	_, _, err := newWorker(t, f).Local(t.Context(), "job", time.Now(), []byte(`{"settings":{"inputs":[{"fileInput":"s3://in/clip.mp4"}],"outputGroups":[`+
		group("HLS_GROUP_SETTINGS", "hlsGroupSettings", "M3U8", `,"minSegmentLength":0,"targetDurationCompatibilityMode":"SPEC_COMPLIANT"`)+","+
		group("CMAF_GROUP_SETTINGS", "cmafGroupSettings", "CMFC", "")+`]}}`), func(string, int) {})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{360, 150, 144} {
		for _, kind := range []string{"M3U8", "CMFC"} {
			list := mediaPlaylistOf(t, read(t, f.root, fmt.Sprintf("%s/b_%d.m3u8", kind, i+1)))
			if n := frames(t, filepath.Join(f.root, fmt.Sprintf("%s/b_%d.m3u8", kind, i+1))); n != want || len(list.Segments) != 3 {
				t.Errorf("%s, output %d: %d frames in %d segments, not %d in 3", kind, i+1, n, len(list.Segments), want)
			}
		}
	}
}

func TestSegmentLengths(t *testing.T) {
	source := makeClip(t)
	for _, tt := range []struct{ settings, want string }{
		{`,"segmentLengthControl":"EXACT"`, "2 2 2"},
		{`,"segmentLengthControl":"GOP_MULTIPLE"`, "2 2 2"},
		{`,"segmentLengthControl":"MATCH"`, "1.92 1.92 1.92 0.24"}, // 8 frames and 15 AAC frames are 0.32 s
		{`,"segmentLengthControl":"MATCH","minFinalSegmentLength":1`, "1.92 1.92 2.16"},
		{`,"minSegmentLength":3`, "6"}, // the last one would be too short as well
		{`,"minFinalSegmentLength":1.5,"segmentLengthControl":"EXACT"`, "2 2 2"},
	} {
		root := packClip(t, source, tt.settings, "")
		list := mediaPlaylistOf(t, read(t, root, "a/b_1.m3u8"))
		var got []string
		for _, s := range list.Segments {
			got = append(got, strconv.FormatFloat(s.Duration.Seconds(), 'f', -1, 64))
			if kind := exec.Command("ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "packet=flags", "-of", "csv=p=0", "-read_intervals", "%+#1", filepath.Join(root, "a", s.URI)); true {
				if out, err := kind.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "K") {
					t.Errorf("%s: %s begins with %q (%v)", tt.settings, s.URI, out, err)
				}
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: segments last %v, not %s", tt.settings, got, tt.want)
		}
		if n := frames(t, filepath.Join(root, "a/b_2.m3u8")); n != 150 {
			t.Errorf("%s: %d frames", tt.settings, n)
		}
	}
}

func TestDirectoryStructures(t *testing.T) {
	source := makeClip(t)
	for _, tt := range []struct {
		settings string
		want     []string // of the first output
	}{
		{`,"directoryStructure":"SUBDIRECTORY_PER_STREAM"`, []string{"b_1/b_1_00001.ts", "b_1/b_1_00002.ts", "b_1/b_1_00003.ts"}},
		{`,"segmentsPerSubdirectory":2`, []string{"00001/b_1_00001.ts", "00001/b_1_00002.ts", "00002/b_1_00003.ts"}},
		{`,"directoryStructure":"SUBDIRECTORY_PER_STREAM","segmentsPerSubdirectory":2`, []string{"b_1/00001/b_1_00001.ts", "b_1/00001/b_1_00002.ts", "b_1/00002/b_1_00003.ts"}},
		{`,"directoryStructure":"SUBDIRECTORY_PER_STREAM","segmentControl":"SINGLE_FILE"`, []string{"b_1/b_1.ts"}},
	} {
		root := packClip(t, source, tt.settings, "")
		var got []string
		list := mediaPlaylistOf(t, read(t, root, "a/b_1.m3u8"))
		for _, s := range list.Segments {
			got = append(got, s.URI)
		}
		if got = slices.Compact(got); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v", tt.settings, got)
		}
		if len(list.Segments) != 3 || (list.Segments[1].Range.Length != 0) != strings.Contains(tt.settings, "SINGLE_FILE") {
			t.Errorf("%s: %+v", tt.settings, list.Segments)
		}
		if n := frames(t, filepath.Join(root, "a/b.m3u8")); n != 150 {
			t.Errorf("%s: %d frames", tt.settings, n)
		}
	}
}

func TestIFramePlaylists(t *testing.T) {
	source := makeClip(t)
	for _, tt := range []struct {
		group, output string
		files         int // of I-frames
	}{
		{"", `"outputSettings":{"hlsSettings":{"iFrameOnlyManifest":"INCLUDE"}},`, 0},
		{`,"segmentControl":"SINGLE_FILE"`, `"outputSettings":{"hlsSettings":{"iFrameOnlyManifest":"INCLUDE"}},`, 0},
		{"", `"outputSettings":{"hlsSettings":{"iFrameOnlyManifest":"INCLUDE_AS_TS"}},`, 6},
	} {
		root := packClip(t, source, tt.group, tt.output)
		text := read(t, root, "a/b_1_I-Frame.m3u8")
		list := mediaPlaylistOf(t, text)
		if !list.IFramesOnly || len(list.Segments) != 6 {
			t.Fatalf("%s:\n%s", tt.output, text)
		}
		matches, err := filepath.Glob(filepath.Join(root, "a", "b_1_I-Frame_*.ts"))
		if err != nil || len(matches) != tt.files {
			t.Errorf("%s: files %v %v", tt.output, matches, err)
		}
		var peak float64
		for i, s := range list.Segments {
			if s.Duration != time.Second {
				t.Errorf("%s: I-frame %d is shown for %v", tt.output, i, s.Duration)
			}
			// What a player fetches, alone: the tables and the part.
			data := []byte(read(t, root, "a", s.URI))
			alone := data
			if s.Range.Length != 0 {
				m := s.Map.Range
				alone = append(slices.Clone(data[m.Offset:m.Offset+m.Length]), data[s.Range.Offset:s.Range.Offset+s.Range.Length]...)
				peak = max(peak, float64(s.Range.Length)*8)
			}
			file := filepath.Join(t.TempDir(), "one.ts")
			if err := os.WriteFile(file, alone, 0o600); err != nil {
				t.Fatal(err)
			}
			if n := frames(t, file); n != 1 {
				t.Errorf("%s: I-frame %d has %d frames", tt.output, i, n)
			}
		}
		m, err := hls.ParseMultivariantPlaylist([]byte(read(t, root, "a/b.m3u8")))
		if err != nil || len(m.IFrames) != 1 || m.IFrames[0].URI != "b_1_I-Frame.m3u8" || m.IFrames[0].Width != 160 {
			t.Errorf("%s: %v %+v", tt.output, err, m)
		} else if got := float64(m.IFrames[0].Bandwidth); peak != 0 && (got < peak/3 || got > peak) {
			t.Errorf("%s: bandwidth %v, largest I-frame of a second %v", tt.output, got, peak)
		}
	}
}

func TestPlaylistSettings(t *testing.T) {
	source := makeClip(t)
	root := packClip(t, source, `,"programDateTime":"INCLUDE","programDateTimePeriod":4,"manifestCompression":"GZIP","streamInfResolution":"EXCLUDE","clientCache":"DISABLED",
	 "captionLanguageSetting":"NONE","baseUrl":"https://cdn.example/x/","targetDurationCompatibilityMode":"SPEC_COMPLIANT",
	 "additionalManifests":[{"manifestNameModifier":"-small","selectedOutputs":["_2"]}]`, "")
	unzipped := func(name string) string {
		z, err := gzip.NewReader(strings.NewReader(read(t, root, name)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		text, err := io.ReadAll(z)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return string(text)
	}
	media := unzipped("a/b_1.m3u8")
	for _, want := range []string{"#EXT-X-PROGRAM-DATE-TIME:2026-02-03T10:00:00.200Z\n", "#EXT-X-PROGRAM-DATE-TIME:2026-02-03T10:00:04.200Z\n", "#EXT-X-ALLOW-CACHE:NO\n", "#EXT-X-TARGETDURATION:2\n"} {
		if !strings.Contains(media, want) {
			t.Errorf("no %q in\n%s", want, media)
		}
	}
	if strings.Count(media, "PROGRAM-DATE-TIME") != 2 {
		t.Errorf("dates of a period of 4 s:\n%s", media)
	}
	multi := unzipped("a/b.m3u8")
	if strings.Contains(multi, "RESOLUTION") || !strings.Contains(multi, "CLOSED-CAPTIONS=NONE") || !strings.Contains(multi, "\nhttps://cdn.example/x/b_1.m3u8\n") {
		t.Errorf("multivariant playlist:\n%s", multi)
	}
	if small := unzipped("a/b-small.m3u8"); strings.Contains(small, "b_1.m3u8") || !strings.Contains(small, "b_2.m3u8") {
		t.Errorf("additional playlist:\n%s", small)
	}

	root = packClip(t, source, `,"outputSelection":"SEGMENTS_ONLY"`, "")
	for _, f := range files(t, root) {
		if !strings.HasSuffix(f, ".ts") {
			t.Errorf("SEGMENTS_ONLY published %s", f)
		}
	}
}

func TestEncryptedSegments(t *testing.T) {
	source := makeClip(t)
	const key = "00112233445566778899aabbccddeeff"
	for _, tt := range []struct{ group, output, settings string }{
		{"", "", `"initializationVectorInManifest":"EXCLUDE"`},
		{"", `"outputSettings":{"hlsSettings":{"iFrameOnlyManifest":"INCLUDE_AS_TS"}},`, `"constantInitializationVector":"0f0e0d0c0b0a09080706050403020100","offlineEncrypted":"ENABLED"`},
		{`,"segmentControl":"SINGLE_FILE"`, "", `"initializationVectorInManifest":"INCLUDE"`},
	} {
		root := packClip(t, source, tt.group+`,"encryption":{"type":"STATIC_KEY","encryptionMethod":"AES128",`+tt.settings+`,
		 "staticKeyProvider":{"staticKeyValue":"`+key+`","url":"key.bin"}}`, tt.output)
		secret, err := hex.DecodeString(key)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, "a", "key.bin"), secret, 0o600); err != nil {
			t.Fatal(err)
		}
		if n := frames(t, filepath.Join(root, "a/b_1.m3u8")); n != 150 {
			t.Errorf("%s: %d frames", tt.settings, n)
		}
		list := mediaPlaylistOf(t, read(t, root, "a/b_1.m3u8"))
		if k := list.Segments[0].Key; k.Method != "AES-128" || k.URI != "key.bin" || k.HasIV == strings.Contains(tt.settings, "EXCLUDE") {
			t.Errorf("%s: key %+v", tt.settings, k)
		}
		if data := []byte(read(t, root, "a", list.Segments[0].URI)); bytes.HasPrefix(data, []byte{0x47, 0x40}) {
			t.Errorf("%s: a segment is not encrypted", tt.settings)
		}
		if tt.output != "" {
			if n := frames(t, filepath.Join(root, "a/b_1_I-Frame.m3u8")); n != 6 {
				t.Errorf("%d I-frames", n)
			}
		}
	}
}
