package mp4_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/mp4"
)

// run runs a program and returns what it wrote to stdout; any other outcome ends the test.
func run(t testing.TB, name string, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, errs.String())
	}
	return out.String(), errs.String()
}

// encodeVideo encodes the frames [from, to) of a test picture and returns the file.
func encodeVideo(t testing.TB, rate string, from, to int, x264, movflags string, extra ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "video.mp4")
	args := []string{
		"-v", "error", "-f", "lavfi", "-i",
		fmt.Sprintf("testsrc2=s=320x180:r=%s,trim=start_frame=%d:end_frame=%d,setpts=PTS-STARTPTS", rate, from, to),
		"-c:v", "libx264", "-preset", "veryfast", "-threads", "1", "-pix_fmt", "yuv420p", "-x264-params", "scenecut=0:keyint=30:" + x264,
	}
	args = append(args, extra...)
	if movflags != "" {
		args = append(args, "-movflags", movflags)
	}
	run(t, "ffmpeg", append(args, file)...)
	return file
}

// encodeAudio encodes exactly samples samples of a sine and returns the file.
func encodeAudio(t testing.TB, rate, samples int, movflags string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "audio.mp4")
	args := []string{
		"-v", "error", "-f", "lavfi", "-i", fmt.Sprintf("aevalsrc='0.5*sin(2*PI*441*t)|0.5*sin(2*PI*441*t)':s=%d", rate),
		"-af", fmt.Sprintf("atrim=end_sample=%d", samples), "-c:a", "aac", "-b:a", "96k",
	}
	if movflags != "" {
		args = append(args, "-movflags", movflags)
	}
	run(t, "ffmpeg", append(args, file)...)
	return file
}

func open(t testing.TB, file string) *mp4.Track {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	track, err := mp4.ReadTrack(f, info.Size())
	if err != nil {
		t.Fatalf("read %s: %v", file, err)
	}
	return track
}
