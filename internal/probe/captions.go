package probe

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strconv"

	"vodwright.dev/vodwright/internal/ffmpeg"
	"vodwright.dev/vodwright/internal/media"
)

// captioned says whether a video stream carries CEA-608 or 708 captions in its
// frames (ATSC A/53, part 4: user data of MPEG-2, SEI of H.264 and HEVC; or as DVDs
// have them). It copies the first frames and decodes none: a stream that has
// captions has them, or their padding, from its beginning.
func (p *Prober) captioned(ctx context.Context, path string, stream media.VideoStream) (bool, error) {
	if !slices.Contains([]string{"h264", "hevc", "mpeg2video"}, stream.Codec) {
		return false, nil
	}
	var found captionFinder
	_, err := p.runner.Run(ctx, ffmpeg.Command{
		Args: slices.Concat(media.DemuxArgs(formatOf(stream)), media.InputArgs(), []string{
			"-i", "file:" + ffmpeg.SourcePath(0), "-map", "0:" + strconv.Itoa(stream.Index),
			"-c", "copy", "-frames:v", "96", "-f", "data", "pipe:1",
		}),
		Sources: []string{path},
		Limits:  ffmpeg.HeadLimits(p.limits),
		Stdout:  &found,
	})
	if err != nil && !errors.Is(err, errEnough) {
		return false, err
	}
	return found.found, nil
}

// errEnough ends the process when it is known.
var errEnough = errors.New("enough is known of the captions")

// mostCopied is how much of a stream is looked at.
const mostCopied = 16 << 20

// captionFinder is an io.Writer that looks for the marks of captions in what is
// written. One may be divided between two writes.
type captionFinder struct {
	found bool
	seen  int
	tail  []byte
}

// captionMarks are user_data_identifier and user_data_type_code of A/53, and what
// captions of DVDs begin with.
var captionMarks = [][]byte{[]byte("GA94\x03"), {0, 0, 1, 0xB2, 'C', 'C', 1, 0xF8}}

func (c *captionFinder) Write(p []byte) (int, error) {
	n := len(p)
	c.seen += n
	window := append(c.tail, p...)
	for _, mark := range captionMarks {
		c.found = c.found || bytes.Contains(window, mark)
	}
	c.tail = slices.Clone(window[max(0, len(window)-7):])
	if c.found || c.seen > mostCopied {
		return 0, errEnough
	}
	return n, nil
}
