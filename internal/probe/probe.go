// Package probe finds out what a file is: a path flows in, media facts and the
// index of its frames flow out, or a fault with the service's code and words that
// a user understands.
//
// The file is hostile until proven otherwise. Everything is read by processes of
// the ffmpeg room, in the sandbox, and parsed as a stream; what a container claims
// is bounded before anything is allocated for it. The package touches the file
// itself only to learn its size, whether a transport stream is scrambled, and what the
// tables of an MP4 file list: demuxing it for that would read all of it.
package probe

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/ffmpeg"
	"vodwright.dev/vodwright/internal/limit"
	"vodwright.dev/vodwright/internal/media"
)

// MediaConvert's error codes that the probe itself answers with.
const (
	codeOpen        = "1010" // cannot open the input
	codeNoVideo     = "1020"
	codeUnsupported = "1030" // codec or container
	codeDemux       = "1075"
	codeEncrypted   = "1091"
)

// Runner is the part of *ffmpeg.Runner that the probe needs.
type Runner interface {
	Run(ctx context.Context, cmd ffmpeg.Command) (ffmpeg.Usage, error)
	RunProbe(ctx context.Context, cmd ffmpeg.ProbeCommand) (ffmpeg.Usage, error)
	Limits() limit.Limits // what sources are held to
}

// Prober finds out what files are. It is safe for concurrent use.
type Prober struct {
	runner Runner
	limits limit.Limits
}

// New returns a Prober whose processes runner starts, and which holds sources to
// the limits of runner.
func New(runner Runner) *Prober { return &Prober{runner: runner, limits: runner.Limits()} }

// described are the facts that ffprobe is asked for. The packets are read only to
// see whether they are encrypted.
const described = "format=format_name,duration" +
	":stream=index,id,codec_name,codec_type,codec_tag_string,profile,width,height,pix_fmt,sample_aspect_ratio," +
	"r_frame_rate,avg_frame_rate,time_base,field_order,bit_rate,bits_per_raw_sample,bits_per_sample,sample_rate,channels,channel_layout," +
	"start_pts,duration,nb_frames,level,has_b_frames,color_range,color_space,color_transfer,color_primaries" +
	":stream_disposition=attached_pic,default,hearing_impaired,visual_impaired,clean_effects:stream_tags=language,timecode,DURATION:format_tags=timecode,major_brand:stream_side_data=rotation,displaymatrix,dv_profile,dv_bl_signal_compatibility_id" +
	":packet=stream_index:packet_side_data=side_data_type"

// Probe reads the container and the stream headers of the file at path.
//
// Errors are *fault.Error: 1010 for what is not media or cannot be opened, 1030
// for a container or codec that is not supported and for a file with neither
// video nor audio, 1091 for an encrypted one, and those of ffmpeg.Runner.
func (p *Prober) Probe(ctx context.Context, path string) (media.Source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return media.Source{}, fault.New(fault.NotFound, "1056", "open the input: %w", err)
	}
	if info.Mode().IsRegular() && info.Size() == 0 {
		return media.Source{}, fault.New(fault.Invalid, codeOpen, "the input is empty")
	}
	if info.Size() > int64(p.limits.SourceBytes) {
		return media.Source{}, limit.Exceeded(limit.SourceBytes, codeUnsupported, "the input has %d bytes, more than the %d that are allowed", info.Size(), int64(p.limits.SourceBytes))
	}
	source, err := p.describe(ctx, path, "")
	if err == nil && source.Format == "mpegts" && len(source.Video)+len(source.Audio) > 2 {
		source, err = p.describe(ctx, path, source.Format) // streams may be one that gets other PIDs
	}
	if err != nil {
		return media.Source{}, err
	}
	source.Size = info.Size()
	if strings.HasPrefix(source.Format, "mov,") && encrypted(path, info.Size()) {
		return media.Source{}, fault.New(fault.Invalid, codeEncrypted, "the input is encrypted")
	}
	if len(source.Audio) > 0 {
		list := tables(path, source.Format)
		even(&source, list)
		dropEmpty(&source, list)
	}
	if source.Format == "mpegts" {
		if err := checkScrambling(path); err != nil {
			return media.Source{}, err
		}
	}
	return source, nil
}

// describe has a file described that is of this format; "" is not known yet.
func (p *Prober) describe(ctx context.Context, path, format string) (media.Source, error) {
	out := boundedBuffer{most: int(p.limits.Description)}
	_, err := p.runner.RunProbe(ctx, ffmpeg.ProbeCommand{
		Args: slices.Concat(
			[]string{"-show_entries", described, "-read_intervals", "%+#8", "-of", "json=c=1"},
			media.DemuxArgs(format), media.InputArgs(), []string{"-i", "file:" + ffmpeg.SourcePath(0)}),
		Source: path,
		Stdout: &out,
	})
	if err != nil {
		return media.Source{}, err
	}
	return parseDescription(out.data, p.limits)
}

// boundedBuffer is an io.Writer that refuses more than most bytes.
type boundedBuffer struct {
	data []byte
	most int
}

func (b *boundedBuffer) Write(p []byte) (int, error) {
	if len(b.data)+len(p) > b.most {
		return 0, limit.Exceeded(limit.Description, codeUnsupported, "the input's description has more than the %d bytes that are allowed", b.most)
	}
	b.data = append(b.data, p...)
	return len(p), nil
}

// lineWriter is an io.Writer that hands on lines without their end. It refuses a
// line longer than maxLine.
type lineWriter struct {
	line func([]byte) error
	rest []byte
}

const maxLine = 4096

var errLongLine = errors.New("read a media program's output: line too long")

func (w *lineWriter) Write(p []byte) (int, error) {
	n := len(p)
	for {
		at := slices.Index(p, '\n')
		if at < 0 {
			if w.rest = append(w.rest, p...); len(w.rest) > maxLine {
				return 0, errLongLine
			}
			return n, nil
		}
		line := p[:at]
		if len(w.rest) > 0 {
			line = append(w.rest, line...)
			w.rest = w.rest[:0]
		}
		if err := w.line(line); err != nil {
			return 0, err
		}
		p = p[at+1:]
	}
}
