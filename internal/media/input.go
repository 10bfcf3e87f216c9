package media

import "strings"

// Bounds of what an input file may claim. They hold in the media processes
// (InputArgs) and in the probe alike.
const (
	// MaxPixels is the largest coded picture: 8192x4352, 8K DCI with its padding.
	MaxPixels = 8192 * 4352
	// MaxStreams is the most streams a file may have; a transport stream with
	// thousands of programs takes a gigabyte of memory to open.
	MaxStreams = 64
)

// demuxers are the containers a source may have, by ffmpeg's names. A playlist,
// a concat script, an image sequence, plain text and everything else that opens
// other files or makes pictures out of anything is not a source.
var demuxers = strings.Join([]string{
	"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "mpegts", "mpeg", "mpegvideo", "m4v",
	"avi", "flv", "ivf", "ogg", "asf", "mxf", "dv", "h264", "hevc", "obu",
	"wav", "w64", "mp3", "aac", "flac", "ac3", "eac3", "aiff", "caf", "amr",
}, ",")

// ImageArgs returns the options that stand before the -i of an image that is
// inserted into a picture: a PNG and nothing else.
func ImageArgs() []string {
	return []string{
		"-protocol_whitelist", "file,pipe",
		"-format_whitelist", "png_pipe",
		"-max_streams", "1",
		"-max_pixels", "35651584",
	}
}

// InputArgs returns the options that stand before every -i of a media process:
// only the file itself is read, only as a real media container, within bounds.
// The ffmpeg room refuses to read a source without them.
func InputArgs() []string {
	return []string{
		"-protocol_whitelist", "file,pipe",
		"-format_whitelist", demuxers,
		"-max_streams", "64",
		"-max_pixels", "35651584",
	}
}

// ClockArgs returns the options that stand before the -i of a file of a format
// (ffmpeg's name of the demuxer) whose own times are wanted, with -copyts.
//
// Where a clock may be set anew, ffmpeg takes an offset of zero for the one that
// it has chosen itself if the file starts at zero too, and then shifts everything
// by the start of what it reads of it: the picture without the sound, say. A
// microsecond is less than a tick there.
func ClockArgs(format string) []string {
	switch format {
	case "mpegts", "mpeg", "ogg":
		return append([]string{"-itsoffset", "0.000001"}, DemuxArgs(format)...)
	}
	return nil
}

// DemuxArgs returns the options that stand before the -i of a file of a format in
// every media process that reads its streams.
func DemuxArgs(format string) []string {
	if format == "mpegts" {
		// A program that gets other PIDs on its way, as where recordings are joined, goes on.
		return []string{"-merge_pmt_versions", "1"}
	}
	return nil
}
