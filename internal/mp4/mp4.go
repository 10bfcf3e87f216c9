// Package mp4 reads the MP4 files that encoders write and writes the MP4 file
// that viewers download.
//
// What flows in: an encoder's file through an io.ReaderAt, plain or fragmented,
// with one H.264 or AAC track ([ReadTrack]). A Track is a table of where each
// sample lies; sample data stays in the file until something copies it. Chunks
// that were encoded apart become one [Video] on an exact frame grid, the one
// audio encode becomes an [Audio] on an exact sample grid. What flows out: a
// progressive-download MP4 ([WriteProgressive]), and the tables from which the
// mpegts room cuts segments.
//
// The package is pure: it touches only its arguments and keeps no state. Files
// are taken for hostile: every table is checked against the size of the file
// before memory is taken for it, and no sample may lie outside it.
//
// Specifications: ISO/IEC 14496-12 (boxes), 14496-14 (esds), 14496-15 (avcC),
// 14496-3 (AudioSpecificConfig), RFC 6381 (codec strings).
package mp4

import (
	"errors"
	"io"

	"vodwright.dev/vodwright/internal/fault"
)

// Kind says what a track holds.
type Kind uint8

// The kinds of track that this package knows.
const (
	Video264 Kind = iota + 1 // H.264 with out-of-band parameter sets (avc1), or in-band as well (avc3)
	AudioAAC                 // AAC-LC, raw access units (mp4a)
)

// Sample is one access unit of a track: a coded picture, or 1,024 samples of each audio channel.
type Sample struct {
	Offset int64 // of the first byte, in Track.Data
	DTS    int64 // decoding time in the track's Timescale, as in the file
	PTS    int64 // composition time in the track's Timescale, as in the file: before the edit list
	Size   int32 // bytes, at least 1
	Key    bool  // a sync sample; always true for audio
}

// Track is what a file says about its one track. It is safe for concurrent use
// when Data is, as *os.File is; nothing here writes to it.
type Track struct {
	Kind      Kind
	Timescale int64 // ticks a second

	// MediaStart is the composition time that the edit list shows first, in
	// Timescale ticks; 0 when the file has no edit list.
	MediaStart int64

	Width, Height int      // of the sample entry: coded pixels after cropping; video only
	NALLengthSize int      // bytes before each NAL unit: 1, 2 or 4; video only
	SPS, PPS      [][]byte // NAL units from avcC, in its order; video only

	AudioConfig []byte // AudioSpecificConfig; audio only
	SampleRate  int    // Hz, from AudioConfig
	Channels    int    // from AudioConfig

	Samples []Sample    // in decoding order
	Data    io.ReaderAt // what ReadTrack was given; sample data is read from it

	absent int // pictures of a chunk that is not there
}

// Absent stands for a chunk of frames pictures that is not there yet, in a Video of
// which some is. Reading a picture of it is ErrAbsent.
func Absent(frames int64) *Track {
	return &Track{Kind: Video264, Data: absent{}, absent: int(frames)}
}

// frames returns how many samples the track has.
func (t *Track) frames() int { return len(t.Samples) + t.absent }

// ErrAbsent is what reading gives of what is not there yet.
var ErrAbsent = errors.New("not there yet")

type absent struct{}

func (absent) ReadAt([]byte, int64) (int, error) { return 0, ErrAbsent }

// malformed is an error about the bytes of a file.
func malformed(format string, args ...any) error {
	return fault.New(fault.Invalid, "", "MP4: "+format, args...)
}
