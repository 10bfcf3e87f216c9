package probe

import (
	"context"
	"encoding/json"
	"os"
	"slices"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/ffmpeg"
	"vodwright.dev/vodwright/internal/limit"
	"vodwright.dev/vodwright/internal/media"
)

// Image reads a PNG at path, which is to be inserted into pictures, and decodes it
// once: what cannot be shown is told before a job starts. The Source has one video
// stream, of its size.
//
// Errors are *fault.Error: 1010 for an empty file, 1030 for one that is no PNG or
// is damaged, and those of ffmpeg.Runner.
func (p *Prober) Image(ctx context.Context, path string) (media.Source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return media.Source{}, fault.New(fault.NotFound, "1056", "open the image: %w", err)
	}
	if info.Size() == 0 {
		return media.Source{}, fault.New(fault.Invalid, codeOpen, "the image is empty")
	}
	if info.Size() > int64(p.limits.SourceBytes) {
		return media.Source{}, limit.Exceeded(limit.SourceBytes, codeUnsupported, "the image has %d bytes, more than the %d that are allowed", info.Size(), int64(p.limits.SourceBytes))
	}
	out := boundedBuffer{most: int(p.limits.Description)}
	_, err = p.runner.RunProbe(ctx, ffmpeg.ProbeCommand{
		Args: slices.Concat(
			[]string{"-count_frames", "-show_entries", "stream=codec_name,width,height,pix_fmt,nb_read_frames", "-of", "json=c=1", "-err_detect", "explode"},
			media.ImageArgs(), []string{"-i", "file:" + ffmpeg.SourcePath(0)}),
		Source: path,
		Stdout: &out,
	})
	if err != nil {
		if fault.KindOf(err) == fault.Invalid {
			return media.Source{}, notPNG()
		}
		return media.Source{}, err
	}
	var doc struct {
		Streams []struct {
			Codec  string `json:"codec_name"`
			Width  int    `json:"width"`
			Height int    `json:"height"`
			Format string `json:"pix_fmt"`
			Frames string `json:"nb_read_frames"`
		} `json:"streams"`
	}
	if err := json.Unmarshal(out.data, &doc); err != nil || len(doc.Streams) != 1 {
		return media.Source{}, notPNG()
	}
	s := doc.Streams[0]
	if s.Codec != "png" || s.Width <= 0 || s.Height <= 0 || s.Frames != "1" {
		return media.Source{}, notPNG()
	}
	if err := checkPicture(s.Width, s.Height, p.limits); err != nil {
		return media.Source{}, err
	}
	return media.Source{Format: "png", Size: info.Size(), Video: []media.VideoStream{{Codec: s.Codec, Width: s.Width, Height: s.Height, PixelFormat: s.Format}}}, nil
}

func notPNG() *fault.Error {
	return fault.New(fault.Invalid, codeUnsupported, "the image is no PNG, or it is damaged").
		WithHint("images that are inserted into pictures are PNG files, with or without transparency")
}
