// Package media says what a file is: its streams, rationals, colours, codec
// strings and packet index. Facts flow in from probe and out to plan, hls and
// the API. The package is pure: no file, process, clock or log.
package media

import "time"

// Source is what the probe found in an input file. It is a claim by an untrusted
// file until plan has checked it against the FrameIndex.
type Source struct {
	Format   string        `json:"format"`             // ffmpeg's demuxer name, such as "mov,mp4,m4a,3gp,3g2,mj2"
	Brand    string        `json:"brand,omitempty"`    // major brand of an MP4 or QuickTime file: "qt  ", "isom" …
	Size     int64         `json:"size"`               // bytes
	Duration time.Duration `json:"duration"`           // the container's claim; 0 is unknown
	Timecode string        `json:"timecode,omitempty"` // of the first frame, HH:MM:SS:FF or HH:MM:SS;FF, where the file tells
	Video    []VideoStream `json:"video,omitempty"`
	Audio    []AudioStream `json:"audio,omitempty"`
	Other    []OtherStream `json:"other,omitempty"`
	// Programs are the indexes of the streams of each program of a transport stream
	// that has several.
	Programs [][]int `json:"programs,omitempty"`
}

// VideoStream is one video stream. Attached pictures (cover art) are not video:
// they are in Source.Other.
type VideoStream struct {
	Index        int           `json:"index"` // in the container, ffmpeg's 0:Index
	PID          int           `json:"pid,omitempty"`
	Codec        string        `json:"codec"` // ffmpeg's name: h264, hevc, vp8 …
	FourCC       string        `json:"fourCC,omitempty"`
	Profile      string        `json:"profile,omitempty"`
	Level        int           `json:"level,omitempty"` // as the codec codes it: 31 is H.264's 3.1, 93 is HEVC's; 0 is unknown
	Width        int           `json:"width"`           // coded pixels, before rotation and aspect
	Height       int           `json:"height"`          // coded pixels
	PixelFormat  string        `json:"pixelFormat,omitempty"`
	BitDepth     int           `json:"bitDepth,omitempty"`
	SampleAspect Rational      `json:"sampleAspect"`        // unknown (0/0) counts as square
	FrameRate    Rational      `json:"frameRate"`           // ffprobe r_frame_rate: a guess at the grid
	AverageRate  Rational      `json:"averageRate"`         // ffprobe avg_frame_rate
	TimeBase     Rational      `json:"timeBase"`            // seconds a tick
	Rotation     int           `json:"rotation"`            // degrees clockwise to show it upright: 0, 90, 180, 270
	DolbyOnly    bool          `json:"dolbyOnly,omitempty"` // Dolby Vision whose samples mean nothing without its metadata
	Mirrored     bool          `json:"mirrored,omitempty"`  // to be mirrored left to right before it is turned
	Interlaced   string        `json:"interlaced"`          // "", "tt", "bb", "tb", "bt": ffprobe field_order; "" is progressive or unknown
	BitrateBPS   int64         `json:"bitrateBPS,omitempty"`
	Duration     time.Duration `json:"duration,omitempty"` // the stream's claim; 0 is unknown
	Default      bool          `json:"default,omitempty"`  // the file prefers it to its other videos
	HeldBack     int           `json:"heldBack,omitempty"` // frames that a decoder holds back, since others are shown before them
	Color        Color         `json:"color"`
}

// Color is how samples map to light, in ffmpeg's names; "" is unspecified.
type Color struct {
	Range     string `json:"range,omitempty"` // tv, pc
	Matrix    string `json:"matrix,omitempty"`
	Primaries string `json:"primaries,omitempty"`
	Transfer  string `json:"transfer,omitempty"`
}

// AudioStream is one audio stream.
type AudioStream struct {
	Index      int           `json:"index"`
	PID        int           `json:"pid,omitempty"`
	Codec      string        `json:"codec"`
	SampleRate int           `json:"sampleRate"` // Hz
	Channels   int           `json:"channels"`
	Layout     string        `json:"layout,omitempty"`   // ffmpeg's channel layout name
	Language   string        `json:"language,omitempty"` // ISO 639-2 as in the file
	TimeBase   Rational      `json:"timeBase"`
	StartPTS   int64         `json:"startPTS"`         // ticks of TimeBase
	EndPTS     int64         `json:"endPTS,omitempty"` // of a file without video: when the last packet ends, ticks of TimeBase; 0 is unknown
	BitrateBPS int64         `json:"bitrateBPS,omitempty"`
	BitDepth   int           `json:"bitDepth,omitempty"` // of a sample that has one; 0 is unknown, and of lossy codecs
	Duration   time.Duration `json:"duration,omitempty"` // the stream's claim; 0 is unknown
	Frames     int64         `json:"frames,omitempty"`   // coded frames, where the container counts them
	// FrameTicks is how long each coded frame lasts, in ticks of TimeBase, where the
	// container's tables say that all last the same, one after the other from the first
	// on, the last one aside; 0 is not known.
	FrameTicks int64 `json:"frameTicks,omitempty"`
	// Jumps are the frames before which that is not so, increasing: all that there are.
	Jumps   []FrameJump `json:"jumps,omitempty"`
	Type    int         `json:"type,omitempty"` // audio_type of ISO/IEC 13818-1, table 2-60; 0 is nothing special
	Default bool        `json:"default,omitempty"`
	// Sequels are the streams that it goes on as, one after the other, of a transport
	// stream whose sound changes its codec.
	Sequels []Sequel `json:"sequels,omitempty"`
}

// FrameJump is a frame that does not begin where the one before it ends.
type FrameJump struct {
	PTS   int64 `json:"pts"`   // of the frame, in ticks of the stream's TimeBase
	Ticks int64 `json:"ticks"` // by how much it is late; negative is early
}

// Sequel is a stream that another one goes on as.
type Sequel struct {
	Index    int   `json:"index"`    // in the container
	Channels int   `json:"channels"` // 0 is unknown
	PTS      int64 `json:"pts"`      // when it begins, in the file's clock; -1 is unknown
	Pictures int   `json:"pictures"` // of the video that begin before it in the file, about
}

// OtherStream is a stream that is neither video nor audio: data, subtitle, attachment, cover art.
type OtherStream struct {
	Index    int           `json:"index"`
	PID      int           `json:"pid,omitempty"`
	Kind     string        `json:"kind"`
	Codec    string        `json:"codec,omitempty"`
	Language string        `json:"language,omitempty"` // ISO 639-2 as in the file
	Duration time.Duration `json:"duration,omitempty"` // the stream's claim; 0 is unknown
}

// FrameIndex lists the coded frames of the video stream that is encoded, read
// once by demuxing. PTS is in presentation order, strictly increasing, in ticks
// of TimeBase.
type FrameIndex struct {
	TimeBase     Rational `json:"timeBase"`
	PTS          []int64  `json:"pts"`
	Keys         []int    `json:"keys"`         // indexes into PTS of frames flagged as keyframes, increasing
	LastDuration int64    `json:"lastDuration"` // ticks the last frame is shown; 0 is unknown
	// Unread is how many bytes are behind the last packet: of an Ogg film that has
	// another one behind it, or of a video that ends before its file; 0 is unknown.
	Unread int64 `json:"unread,omitempty"`
	// Captions says that CEA-608 or 708 captions are carried in the frames.
	Captions bool `json:"captions,omitempty"`
	// Leaps are the places where the file's clock leaps; PTS has them removed.
	Leaps []Leap `json:"leaps,omitempty"`
	// Coded is what is known of the frames as they are coded, where somebody asked.
	Coded *Coded `json:"coded,omitempty"`
	// Problem says why the index cannot promise a clean entry at its keyframes
	// (timestamps missing, repeated or going back; no keyframe flags). The source
	// is then encoded from its start, in one chunk. "" is a trusted index.
	Problem string `json:"problem,omitempty"`
}

// Leap is a place where a file's clock leaps, back or far ahead, while the film
// goes on: where two recordings were joined, or a recorder was set anew.
type Leap struct {
	Frame int   `json:"frame"` // of the index, the first one behind it
	Ticks int64 `json:"ticks"` // of its TimeBase, by which the clock is ahead from here on; negative is behind
}

// Coded is what an output has to be like that shows the coded frames of a stream as
// they are: H.264, each frame of the index one sample.
type Coded struct {
	Problem string   `json:"problem,omitempty"` // why they cannot be used; all else is empty then
	Codec   string   `json:"codec"`             // RFC 6381: "avc1.4d401f"
	Width   int      `json:"width"`             // pixels
	Height  int      `json:"height"`            // pixels
	Aspect  Rational `json:"aspect"`            // of a pixel; unknown is not told
	// Entries are the frames of the index that begin anew: nothing shown before is
	// decoded after, or needed. Increasing.
	Entries []int `json:"entries"`
	// Bytes is the size of each frame, in decoding order.
	Bytes []int32 `json:"bytes"`
}
