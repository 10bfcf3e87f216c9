// Package plan decides everything about a job's encodes before the first one
// starts: settings and media facts flow in, a Plan flows out. The Plan names the
// ladders, the exact Timeline of each, the chunks, the arguments of every media
// process and the name of every file that the job will publish.
//
// The package is pure: the same arguments give the same Plan on every machine,
// whatever its number of cores, so that a chunk encoded twice, elsewhere or
// after a crash is the same chunk.
package plan

import (
	"fmt"
	"time"

	"vodwright.dev/vodwright/internal/media"
)

// DecodedFile is the trace that a chunk's process leaves below OutputDir of the
// source frames it used: DecodedFrameBytes for each, worthless otherwise.
// Slots that lack their frame are filled by repeating one, so a rung's file has
// all its frames even if the decoder gave too few; only this file tells.
const (
	DecodedFile       = "decoded.raw"
	DecodedFrameBytes = 4
)

// OutputDir is where media processes write. The ffmpeg room binds the work folder
// of a task to it.
const OutputDir = "/out"

// SourcePath returns where a media process sees the file that is number i of its
// task's Files. The ffmpeg room binds them.
func SourcePath(i int) string { return fmt.Sprintf("/in/%d", i) }

// Plan is the whole of a job's work. It is stored as JSON between tasks and
// does not hold the frame index, so its size grows with segments, not frames.
type Plan struct {
	Files    []File        `json:"files"` // that media processes read; see Files
	Ladders  []Ladder      `json:"ladders"`
	Audios   []AudioEncode `json:"audios"`
	Groups   []OutputGroup `json:"groups"`
	Warnings []Warning     `json:"warnings,omitempty"`
}

// Warning is a fact the user should know, with the service's code where it has one.
type Warning struct {
	Code    int    `json:"code"` // MediaConvert warning code, or one of ours, see the Warn constants
	Message string `json:"message"`
}

// Ladder is a set of encodes that share a frame grid and a segmentation: one
// process a chunk decodes once and feeds all its rungs and captures.
type Ladder struct {
	Timeline Timeline  `json:"timeline"`
	Rungs    []Rung    `json:"rungs"`
	Captures []Capture `json:"captures,omitempty"`
	Chunks   []Chunk   `json:"chunks"`
}

// Timeline is the exact, frame-aligned list of segment boundaries, known before
// encoding starts. Frame k of the output is shown at k/FrameRate seconds.
type Timeline struct {
	FrameRate media.Rational `json:"frameRate"` // frames a second
	Starts    []int64        `json:"starts"`    // first frame of each segment; Starts[0] is 0
	Frames    int64          `json:"frames"`    // total; the last segment ends here
}

// Segments returns the number of segments.
func (t Timeline) Segments() int { return len(t.Starts) }

// Segment returns the frames [from, to) of segment i.
func (t Timeline) Segment(i int) (from, to int64) {
	if i+1 < len(t.Starts) {
		return t.Starts[i], t.Starts[i+1]
	}
	return t.Starts[i], t.Frames
}

// At returns the time at which frame k is shown, rounded to the nanosecond.
func (t Timeline) At(k int64) time.Duration { return t.FrameRate.Inverse().Duration(k) }

// Duration returns how long the whole Timeline lasts.
func (t Timeline) Duration() time.Duration { return t.At(t.Frames) }

// Chunk is what one encoder process makes: consecutive frames, about as long as a
// few segments. It begins where a segment does, or where the output goes on with
// another input or clipping; its first frame is an IDR in every rung.
type Chunk struct {
	From  int64 `json:"from"`  // first frame of the Timeline
	To    int64 `json:"to"`    // one past the last frame
	Files []int `json:"files"` // of Plan.Files, that the process reads, at SourcePath(0), SourcePath(1) …
	// SourceFrames is how many frames of the source the process has to decode into
	// the chunk, by the index; DecodedFile tells how many it did. Fewer, from the
	// middle of the source, says that the container led to the wrong place: try
	// again with WithoutSeek. Fewer from its start says that the source is damaged
	// there. 0 is unknown.
	SourceFrames int64 `json:"sourceFrames"`
	// Sure says that the container leads to where decoding is to begin: what the process
	// writes is right before it has ended.
	Sure bool     `json:"sure,omitempty"`
	Args []string `json:"args"` // of ffmpeg, without the program's name; reads Files, writes below OutputDir
}

// Rung is one video encode. Its chunk process writes File (an MP4 with exactly
// To-From frames, the first an IDR, timestamps in whole frames, and the same
// parameter sets in every chunk) below OutputDir.
type Rung struct {
	File       string         `json:"file"`
	Width      int            `json:"width"`
	Height     int            `json:"height"`
	FrameRate  media.Rational `json:"frameRate"`
	MaxBitrate int64          `json:"maxBitrate"` // bits a second, the cap or target; 0 is uncapped
	Codec      string         `json:"codec"`      // RFC 6381, of its parameter sets: "avc1.4d401f"
	BufferBits int64          `json:"bufferBits"` // VBV window that the output honours across chunk edges; 0 with no cap
	// Copied is where the rung's frames are if they are the source's own: File is cut
	// of them, frame for frame, and a chunk's process need not make it.
	Copied *Copied `json:"copied,omitempty"`
}

// Capture is one frame-capture output: JPEGs of chosen frames.
type Capture struct {
	FilePattern string  `json:"filePattern"` // below OutputDir, such as "c0_%07d.jpg"; numbered from 0 in each chunk
	Width       int     `json:"width"`
	Height      int     `json:"height"`
	Frames      []int64 `json:"frames"` // Timeline frames captured, increasing
}

// AudioEncode is one audio encode of the whole source. Its process, or that of each
// of its Pieces, writes File (an MP4 with one AAC track) below OutputDir. Samples are counted from the
// instant the first video frame is shown; the encoder's priming comes before.
type AudioEncode struct {
	File       string   `json:"file"`
	SampleRate int      `json:"sampleRate"` // Hz
	Channels   int      `json:"channels"`
	BitrateBPS int64    `json:"bitrateBPS"`
	Samples    int64    `json:"samples"` // the encode holds exactly this many, silence included
	Priming    int64    `json:"priming"` // samples before sample 0 in the encoded stream
	Language   string   `json:"language,omitempty"`
	Type       int      `json:"type,omitempty"`   // audio_type of ISO/IEC 13818-1, table 2-60
	MPEG2      bool     `json:"mpeg2,omitempty"`  // the stream is MPEG-2 AAC
	Silent     bool     `json:"silent,omitempty"` // made of silence alone: no source has audio for it
	Files      []int    `json:"files"`            // as of a Chunk
	Args       []string `json:"args"`
	// Entries are files that the process writes below OutputDir, one for each place
	// in the middle of a source at which it begins to decode. An empty one says that
	// the container led behind the place, or that there is no sound before it: try
	// again with WithoutSeek.
	Entries  []string  `json:"entries,omitempty"`
	Heard    []Heard   `json:"heard,omitempty"`    // traces of when sound was decoded
	Loudness *Loudness `json:"loudness,omitempty"` // to be measured and corrected
	Steady   *Steady   `json:"steady,omitempty"`   // of sources whose sound may change its format
	// Pieces make the encode apart from each other, in any order; Args and Entries are
	// empty then. None is one process for the whole of it.
	Pieces []AudioPiece `json:"pieces,omitempty"`
}

// Heard is the trace that an audio process leaves of when a stream of a part of the
// encode gave any sound: what lacks in it is silence that no table told of.
type Heard struct {
	File    string  `json:"file"`    // below OutputDir, see ParseHeard
	At      float64 `json:"at"`      // seconds of the encode at which the part begins
	Begins  float64 `json:"begins"`  // seconds of the part from which sound is due
	Seconds float64 `json:"seconds"` // of the part until which sound is due
}

// AudioPiece is a run of AAC frames of an AudioEncode that one process makes. Its
// File has Skip frames before them, for the encoder to find its feet; what comes
// after them is of no use.
type AudioPiece struct {
	From    int64    `json:"from"` // first frame; frame 0 is the priming
	To      int64    `json:"to"`   // one past the last frame
	Skip    int64    `json:"skip"`
	Files   []int    `json:"files"`   // as of a Chunk
	Args    []string `json:"args"`    // as of an AudioEncode
	Entries []string `json:"entries"` // likewise
}

// Steady makes an encode of sound that changes its rate or its channels on its way,
// as broadcasts do: a filter graph begins anew there, and counts anew. First each
// stream is written to a file that keeps its format, then Encode is made of these,
// in their order.
type Steady struct {
	Streams []SteadyStream `json:"streams"`
	Encode  AudioEncode    `json:"encode"` // its Files are empty: it reads what Streams wrote
}

// SteadyStream is a process that writes SteadyFile below OutputDir.
type SteadyStream struct {
	File int      `json:"file"` // of Plan.Files, that it reads
	Args []string `json:"args"`
}

// SteadyFile is what the process of a SteadyStream writes.
const SteadyFile = "steady.mka"

// OutputGroup is one output group of the job, in the job's order.
type OutputGroup struct {
	Type    string   `json:"type"` // HLS_, CMAF_, DASH_ISO_ or FILE_GROUP_SETTINGS
	Bucket  string   `json:"bucket"`
	HLS     *HLS     `json:"hls,omitempty"`  // of a group with HLS playlists, or HLS segments without any
	DASH    *DASH    `json:"dash,omitempty"` // of a group with DASH descriptions
	Outputs []Output `json:"outputs"`
}

// Output is one output. Ladder and Rung, Audios and Capture index the Plan; -1 is none.
type Output struct {
	Container    string     `json:"container"` // M3U8, CMFC, MPD, MP4, RAW
	Format       Format     `json:"format"`    // how its media is packed
	Ladder       int        `json:"ladder"`
	Rung         int        `json:"rung"`
	Capture      int        `json:"capture"`
	Audios       []int      `json:"audios,omitempty"`       // in the order of its audio descriptions
	AudioNames   []string   `json:"audioNames,omitempty"`   // of Audios, for people; "" is none
	Key          string     `json:"key"`                    // media playlist or file; of captures, the last one; "" of segments without a playlist
	Segments     []string   `json:"segments,omitempty"`     // object keys of an output with segments, one per segment of the Timeline; or one that holds them all
	IFrames      *IFrames   `json:"iFrames,omitempty"`      // of an HLS output with a playlist of its I-frames
	Captures     []string   `json:"captures,omitempty"`     // object keys of a capture output, one per captured frame
	AudioGroups  []string   `json:"audioGroups,omitempty"`  // of an HLS output with video: the groups of renditions that go with it
	Rendition    *Rendition `json:"rendition,omitempty"`    // of an HLS output without video
	LoudnessLogs []string   `json:"loudnessLogs,omitempty"` // object keys, for each of Audios; "" is none
	MPEGTS       *MPEGTS    `json:"mpegts,omitempty"`       // of an M3U8 output
	Movie        *Movie     `json:"movie,omitempty"`        // of an MP4 output
	Fragments    *Fragments `json:"fragments,omitempty"`    // of a CMFC or MPD output
	Part         int        `json:"part,omitempty"`         // above 0: sound of the output before, which is packed apart from it
}

// Rendition is what a multivariant playlist says of an output without video.
type Rendition struct {
	Variant    bool   `json:"variant,omitempty"` // it is a variant (EXT-X-STREAM-INF); all else is of a rendition (EXT-X-MEDIA)
	Group      string `json:"group"`             // GROUP-ID
	Name       string `json:"name"`              // NAME, unique in the group
	Language   string `json:"language,omitempty"`
	Default    bool   `json:"default,omitempty"`
	AutoSelect bool   `json:"autoSelect,omitempty"`
	Describes  bool   `json:"describes,omitempty"` // the video, for those who do not see it
}

// Format is how the media of an output is packed.
type Format string

// The formats of outputs.
const (
	FormatTS   Format = "ts"   // MPEG-2 transport stream
	FormatAAC  Format = "aac"  // packed audio (RFC 8216, 3.4)
	FormatADTS Format = "adts" // one file of AAC frames
	FormatFMP4 Format = "fmp4" // fragmented MP4: an init segment and media segments
	FormatMP4  Format = "mp4"  // one MP4 with its index in front
	FormatJPEG Format = "jpeg" // captured frames
)

// IFrames is the playlist of an output's I-frames.
type IFrames struct {
	Key     string `json:"key"`
	Segment string `json:"segment,omitempty"` // object key, with %05d for a number from 1, of files of one I-frame each; "" is parts of the output's segments
}

// Movie is the packing of an MP4 output (Mp4Settings).
type Movie struct {
	EditList  bool   `json:"editList,omitempty"`  // CslgAtom EXCLUDE: instead of negative composition offsets
	IndexLast bool   `json:"indexLast,omitempty"` // MoovPlacement NORMAL
	FreeSpace bool   `json:"freeSpace,omitempty"`
	Brand     string `json:"brand,omitempty"` // "" is mp42
}

// Fragments is the packing of an output in fragmented MP4, of one track.
type Fragments struct {
	Init     string   `json:"init,omitempty"` // object key of the init segment; "" is in the one file of all segments, with an index
	Seconds  int64    `json:"seconds"`        // that a fragment lasts at least
	Signed   bool     `json:"signed,omitempty"`
	KeyAlone bool     `json:"keyAlone,omitempty"` // every key picture is a fragment of its own
	Template Template `json:"template"`           // of its segments' keys; of no use with one file
	Set      int      `json:"set"`                // adaptation set, from 0; 0 is the video's
}

// Template is what a description says of the keys of segments.
type Template struct {
	Before     string `json:"before"`     // of the number or time, as it is in the key
	Identifier string `json:"identifier"` // such as $Number%09d$
	After      string `json:"after"`
}

// MPEGTS holds the packet identifiers and packing of an MPEG-TS output (M3u8Settings).
type MPEGTS struct {
	PMTPID            int   `json:"pmtPid"`
	VideoPID          int   `json:"videoPid"`
	AudioPIDs         []int `json:"audioPids"` // one for each of Output.Audios
	ProgramNumber     int   `json:"programNumber"`
	TransportStreamID int   `json:"transportStreamId"`
	AudioFramesPerPES int   `json:"audioFramesPerPes"`
	PTSOffset         int64 `json:"ptsOffset"`             // 90 kHz ticks added to every timestamp
	PATInterval       int64 `json:"patInterval,omitempty"` // milliseconds; 0 is at the start of segments alone
	PMTInterval       int64 `json:"pmtInterval,omitempty"`
}
