package probe

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/limit"
	"vodwright.dev/vodwright/internal/media"
)

// A timeline that somebody will encode frame by frame is bounded: a 23 KB file can
// claim ten hours between two frames. Beyond sparseSpan it must be dense, too.
const (
	sparseSpan = 10 * time.Minute
	sparseMean = 10 * time.Second // mean time between frames beyond sparseSpan
)

// The reasons an index cannot be trusted at its keyframes.
const (
	problemMissing   = "timestamps are missing"
	problemRepeated  = "timestamps are repeated"
	problemBack      = "timestamps go back"
	problemNoKeys    = "no frame is marked as a keyframe"
	problemUndecoded = "frames cannot be decoded"
	problemLeap      = "the clock leaps"
)

// Index lists the frames that a decoder makes of one video stream of the file at
// path when it reads it from the start, in the order they are shown.
//
// It demuxes the file once, or reads its tables where they tell as much, and decodes its beginning where container or codec
// leave doubt about what a decoder makes of it. Where the timestamps do not
// describe the frames, it decodes the whole file; Problem is set then, and PTS has
// one entry for each decoded frame, made increasing where the file's do not.
//
// Errors are *fault.Error: 1020 for a stream without frames, 1030 for a timeline
// beyond the bounds of this package, 1075 for one that nothing can be decoded of,
// and those of ffmpeg.Runner.
func (p *Prober) Index(ctx context.Context, path string, stream media.VideoStream) (media.FrameIndex, error) {
	if !stream.TimeBase.Known() {
		return media.FrameIndex{}, fault.New(fault.Invalid, codeDemux, "the video has no time base")
	}
	list, captions, err := p.listed(path, stream)
	if err != nil {
		return media.FrameIndex{}, err
	}
	if list == nil {
		if list, captions, err = p.demuxed(ctx, path, stream); err != nil {
			return media.FrameIndex{}, err
		}
	}
	if len(list.pts) == 0 {
		return media.FrameIndex{}, fault.New(fault.Invalid, codeNoVideo, "the video has no frames")
	}
	if stream.Codec == "vp8" {
		if err := p.hideReferences(ctx, path, stream, list); err != nil {
			return media.FrameIndex{}, err
		}
	}
	list.pairFields()

	index := media.FrameIndex{TimeBase: stream.TimeBase, PTS: list.shown(len(list.pts)), LastDuration: list.lastDuration, Captions: captions}
	// Of an Ogg film all streams are listed: another film may be behind it. In other
	// formats the video may go on as a stream of another kind, which nothing else tells.
	if info, err := os.Stat(path); err == nil && list.position > 0 && slices.Contains([]string{"ogg", "flv", "mpeg"}, list.format) {
		index.Unread = max(info.Size()-list.position, 0)
	}
	keys := list.keys()
	switch {
	case slices.ContainsFunc(list.pts, func(t int64) bool { return t == noPTS }):
		index.Problem = problemMissing
	case list.backwards:
		index.Problem = problemBack
	case leapsAhead(list.format) && list.leaps(stream.TimeBase):
		index.Problem = problemLeap
	case len(index.PTS) == 0:
		return media.FrameIndex{}, fault.New(fault.Invalid, codeNoVideo, "the video has no frame that is shown")
	case repeated(index.PTS):
		index.Problem = problemRepeated
	case len(keys) == 0:
		index.Problem = problemNoKeys
	}
	if index.Problem == "" && doubtful(list, stream, keys[0] > index.PTS[0]) {
		index.Problem, err = p.checkHead(ctx, path, stream, list, &index)
		if err != nil {
			return media.FrameIndex{}, err
		}
	}
	if index.Problem != "" {
		if index.Problem != problemLeap && index.Problem != problemBack {
			if err := checkBounds(index, p.limits); err != nil { // before hours are spent on it
				return media.FrameIndex{}, err
			}
		}
		if index.PTS, index.Leaps, err = p.decodeAll(ctx, path, stream, list.format); err != nil {
			return media.FrameIndex{}, err
		}
		if times := list.shown(len(list.pts)); index.Problem == problemUndecoded && len(times) == len(index.PTS) && !repeated(times) {
			// Each packet is a frame, and the times are those of the packets in the order
			// they are decoded in, as files have it that keep no others.
			index.PTS, index.Leaps = times, nil
		}
		index.LastDuration = 0
		if list.format == "avi" && index.Problem == problemMissing {
			list.evenly(index.PTS, stream)
		}
	}
	index.Keys = positions(keys, index.PTS)
	if len(index.Keys) == 0 && index.Problem == "" {
		index.Problem = problemNoKeys
	}
	return index, checkBounds(index, p.limits)
}

// demuxed reads the packets of a stream, and whether captions are carried in its
// first frames, by two processes.
func (p *Prober) demuxed(ctx context.Context, path string, stream media.VideoStream) (list *packets, captions bool, err error) {
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() (err error) {
		list, err = p.readPackets(ctx, path, stream)
		return err
	})
	both.Go(func() (err error) {
		captions, err = p.captioned(ctx, path, stream)
		if fault.KindOf(err) == fault.Invalid {
			return nil // that the stream cannot be read is for the other to say
		}
		return err
	})
	return list, captions, both.Wait()
}

// doubtful says whether a decoder may make other frames of the beginning than the
// packets tell. leading says that frames are shown before the first keyframe.
func doubtful(list *packets, stream media.VideoStream, leading bool) bool {
	clean := strings.HasPrefix(list.format, "mov,") || strings.HasPrefix(list.format, "matroska,") || list.format == "ivf" || list.format == "flv"
	hidden := stream.Codec != "vp8" && slices.ContainsFunc(list.flags, func(f packetFlag) bool { return f&flagHidden != 0 })
	held := stream.HeldBack > 0 && increasing(list.pts) // times of decoding, where those of showing are asked for
	return !clean || leading || hidden || held || stream.Interlaced != "" || list.flags[0]&flagKey == 0
}

// Bounds of the beginning that is decoded: headPackets beyond the first keyframe,
// and a keyframe that comes later than maxHead packets is not looked for.
const (
	headPackets = 48
	maxHead     = 3000
)

// checkHead decodes the beginning and drops from index what the decoder does not
// show of it: frames before the first keyframe, or after it but leaning on frames
// before it. It returns a problem if there is more to it than that.
func (p *Prober) checkHead(ctx context.Context, path string, stream media.VideoStream, list *packets, index *media.FrameIndex) (string, error) {
	first := slices.IndexFunc(list.flags, func(f packetFlag) bool { return f&flagKey != 0 })
	if first > maxHead {
		return problemNoKeys, nil
	}
	n := min(first+headPackets, len(list.pts))
	expected := list.shown(n)
	decoded, err := p.decodeHead(ctx, path, stream, n)
	if err != nil {
		var f *fault.Error
		if errors.As(err, &f) && f.Kind == fault.Invalid {
			return problemUndecoded, nil
		}
		return "", err
	}
	if slices.Equal(expected, decoded) {
		return "", nil
	}
	if len(decoded) == 0 || !increasing(decoded) {
		return problemUndecoded, nil
	}
	var dropped []int64
	for _, t := range expected {
		if _, found := slices.BinarySearch(decoded, t); !found {
			dropped = append(dropped, t)
		}
	}
	// What is lost at the entry is lost before the decoder has found its feet.
	tail := min(headPackets/3, len(expected)/2)
	settled := expected[len(expected)-tail:]
	if len(decoded)+len(dropped) != len(expected) || len(dropped) > 0 && tail > 0 && dropped[len(dropped)-1] >= settled[0] {
		return problemUndecoded, nil
	}
	index.PTS = slices.DeleteFunc(index.PTS, func(t int64) bool {
		_, found := slices.BinarySearch(dropped, t)
		return found
	})
	return "", nil
}

// checkBounds refuses a timeline that would take more than it is worth to encode.
func checkBounds(index media.FrameIndex, limits limit.Limits) error {
	if len(index.PTS) < 2 {
		return nil
	}
	tb := index.TimeBase
	span := tb.Duration(index.PTS[len(index.PTS)-1] - index.PTS[0])
	frames := time.Duration(len(index.PTS))
	if span > limits.Duration {
		return limit.Exceeded(limit.Duration, codeUnsupported, "the video lasts %v, longer than the %v that are allowed", span.Round(time.Second), limits.Duration)
	}
	if rate := float64(frames-1) / span.Seconds(); frames > 100 && rate > 1.001*float64(limits.FrameRate) {
		return limit.Exceeded(limit.FrameRate, codeUnsupported, "the video has %.6g frames a second, more than the %d that are allowed", rate, limits.FrameRate)
	}
	for i := 1; i < len(index.PTS); i++ {
		if gap := tb.Duration(index.PTS[i] - index.PTS[i-1]); gap > limits.Gap {
			return limit.Exceeded(limit.Gap, codeUnsupported, "the video has a gap of %v after %v, longer than the %v that are allowed",
				gap.Round(time.Second), tb.Duration(index.PTS[i-1]-index.PTS[0]).Round(time.Second), limits.Gap)
		}
	}
	if span > sparseSpan && span/frames > sparseMean {
		return fault.New(fault.Limit, codeUnsupported, "the video has only %d frames in %v: it is no film", frames, span.Round(time.Second))
	}
	return nil
}

// positions returns where the sorted times are in the sorted pts; those that are
// not there are left out.
func positions(times, pts []int64) []int {
	var out []int
	for _, t := range times {
		if i, found := slices.BinarySearch(pts, t); found && (len(out) == 0 || out[len(out)-1] < i) {
			out = append(out, i)
		}
	}
	return out
}

func increasing(pts []int64) bool {
	for i := 1; i < len(pts); i++ {
		if pts[i] <= pts[i-1] {
			return false
		}
	}
	return true
}

// repeated says whether sorted times hold one twice.
func repeated(pts []int64) bool { return !increasing(pts) }
