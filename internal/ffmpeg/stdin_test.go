package ffmpeg_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"vodwright.dev/vodwright/internal/ffmpeg"
	"vodwright.dev/vodwright/internal/media"
)

// decode returns the arguments that decode standard input.
func decode() []string {
	args := append([]string{"-xerror", "-err_detect", "explode"}, media.InputArgs()...)
	return append(args, "-i", "pipe:0", "-map", "0:v", "-f", "null", "-")
}

func TestStandardInputIsRead(t *testing.T) {
	r, err := ffmpeg.New(ffmpeg.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var stream bytes.Buffer
	_, err = r.Run(t.Context(), ffmpeg.Command{Stdout: &stream, Args: []string{
		"-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=2", "-c:v", "libx264", "-f", "mpegts", "pipe:1",
	}})
	if err != nil {
		t.Fatal(err)
	}
	var last ffmpeg.Progress
	_, err = r.Run(t.Context(), ffmpeg.Command{Stdin: iotest.OneByteReader(bytes.NewReader(stream.Bytes())), Args: decode(), Progress: func(p ffmpeg.Progress) { last = p }})
	if err != nil || last.Frame != 50 {
		t.Errorf("%d frames of 50, %v", last.Frame, err)
	}

	lost := errors.New("the bucket is gone")
	half := io.MultiReader(bytes.NewReader(stream.Bytes()[:stream.Len()/2]), iotest.ErrReader(lost))
	if _, err := r.Run(t.Context(), ffmpeg.Command{Stdin: half, Args: decode()}); !errors.Is(err, lost) {
		t.Errorf("the reader failed, Run says %v", err)
	}

	damaged := slices.Clone(stream.Bytes())
	for i := len(damaged) / 2; i < len(damaged)/2+3000; i++ {
		damaged[i] ^= byte(i)
	}
	if _, err := r.Run(t.Context(), ffmpeg.Command{Stdin: bytes.NewReader(damaged), Args: decode()}); err == nil {
		t.Error("a damaged stream decodes")
	}

	args := decode()
	args = slices.Delete(args, slices.Index(args, "-format_whitelist"), slices.Index(args, "-format_whitelist")+2)
	if _, err := r.Run(t.Context(), ffmpeg.Command{Stdin: strings.NewReader("x"), Args: args}); err == nil || !strings.Contains(err.Error(), "-format_whitelist") {
		t.Errorf("read without the fixed options: %v", err)
	}
}

// TestReaderThatNeverComesDoesNotHold ends a process that waits for input which
// nobody sends.
func TestReaderThatNeverComesDoesNotHold(t *testing.T) {
	r, err := ffmpeg.New(ffmpeg.Config{})
	if err != nil {
		t.Fatal(err)
	}
	never, end := io.Pipe()
	defer end.Close()
	if _, err := r.Run(t.Context(), ffmpeg.Command{Stdin: never, Args: decode(), Limits: ffmpeg.Limits{Wall: 300 * time.Millisecond}}); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("got %v", err)
	}
}
