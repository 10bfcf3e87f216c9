package mp4

import (
	"io"
	"slices"
	"sort"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/media"
)

// FrameSamples is how many samples of each channel an AAC-LC frame codes.
const FrameSamples = 1024

// Audio is one sound on an exact sample grid: frame i holds the samples from
// i*1024-Priming on, counted from the instant the first video frame is shown. It is
// the one track of an encode, or pieces of several that were made apart. It is safe
// for concurrent use when the tracks are.
type Audio struct {
	Track   *Track // the only one, or one of the pieces: its configuration is that of all
	Priming int64  // samples that the encoder put before sample 0
	Samples int64  // samples to present, from sample 0

	pieces []AudioPiece // nil: Track has it all
}

// AudioPiece is a run of frames that were encoded apart.
type AudioPiece struct {
	Track    *Track // nil is a piece that is not there: its frames are Absent
	Skip     int    // frames at the track's beginning that are none of the piece
	From, To int    // frames of the Audio that it is, counted from its first one
}

// NewAudioOf joins pieces, in order: the first one begins with frame 0. One at
// least must be there.
//
// Errors: fault.Internal, for they are defects of the encode.
func NewAudioOf(pieces []AudioPiece, priming, samples int64) (*Audio, error) {
	a := &Audio{Priming: priming, Samples: samples, pieces: pieces}
	next := 0
	for i, p := range pieces {
		if p.From != next || p.To <= p.From {
			return nil, fault.New(fault.Internal, "", "join audio: piece %d has the frames %d to %d, after %d", i, p.From, p.To, next)
		}
		next = p.To
		t := p.Track
		if t == nil {
			continue
		}
		if _, err := NewAudio(t, 0, int64(p.Skip+p.To-p.From)*FrameSamples); err != nil {
			return nil, err
		}
		if a.Track == nil {
			a.Track = t
		}
		if t.SampleRate != a.Track.SampleRate || t.Channels != a.Track.Channels || !slices.Equal(t.AudioConfig, a.Track.AudioConfig) {
			return nil, fault.New(fault.Internal, "", "join audio: piece %d is of another format than those before", i)
		}
	}
	if a.Track == nil || priming < 0 || samples <= 0 || int64(next)*FrameSamples < priming+samples {
		return nil, fault.New(fault.Internal, "", "join audio: %d pieces with %d frames do not make %d samples", len(pieces), next, samples)
	}
	return a, nil
}

// Frame returns frame i and where its data is. Reading one that is not there is ErrAbsent.
func (a *Audio) Frame(i int) (io.ReaderAt, Sample) {
	t := a.frameTrack(&i)
	if t == nil {
		return absent{}, Sample{Size: 1, Key: true}
	}
	return t.Data, t.Samples[i]
}

// frameTrack returns the track that frame i is in, and makes i its place there.
func (a *Audio) frameTrack(i *int) *Track {
	if a.pieces == nil {
		return a.Track
	}
	n := sort.Search(len(a.pieces), func(k int) bool { return a.pieces[k].To > *i })
	p := a.pieces[n]
	*i += p.Skip - p.From
	return p.Track
}

// NewAudio checks that the track holds samples samples after priming ones, in
// frames of 1,024. A last frame may be declared shorter.
//
// Errors: fault.Internal, for they are defects of the encode.
func NewAudio(t *Track, priming, samples int64) (*Audio, error) {
	switch {
	case t.Kind != AudioAAC:
		return nil, fault.New(fault.Internal, "", "open audio: the track is not audio")
	case priming < 0 || samples <= 0:
		return nil, fault.New(fault.Internal, "", "open audio: %d samples after %d of priming", samples, priming)
	case int64(len(t.Samples))*FrameSamples < priming+samples:
		return nil, fault.New(fault.Internal, "", "open audio: the track holds %d frames and %d samples need more", len(t.Samples), priming+samples)
	}
	if t.Timescale == int64(t.SampleRate) {
		for i := 1; i < len(t.Samples); i++ {
			if d := t.Samples[i].DTS - t.Samples[i-1].DTS; d != FrameSamples {
				return nil, fault.New(fault.Internal, "", "open audio: frame %d lasts %d samples, not %d", i-1, d, FrameSamples)
			}
		}
	}
	return &Audio{Track: t, Priming: priming, Samples: samples}, nil
}

// Start returns the first sample of frame i; negative while it is priming.
func (a *Audio) Start(i int) int64 { return int64(i)*FrameSamples - a.Priming }

// FrameAt returns the first frame that begins when video frame k, of rate a second,
// is shown or later; for the first picture the one that begins nearest to it.
func (a *Audio) FrameAt(k int64, rate media.Rational) int {
	return int(min(FrameAt(k, rate, int64(a.Track.SampleRate), a.Priming, a.Samples), int64(a.Frames())))
}

// FrameAt is Audio.FrameAt of audio that need not be there yet, hz samples a second.
func FrameAt(k int64, rate media.Rational, hz, priming, samples int64) int64 {
	end := ceilDiv(samples+priming, FrameSamples)
	if k == 0 {
		return min((priming+FrameSamples/2-1)/FrameSamples, end)
	}
	return min(ceilDiv(k*rate.Den*hz+priming*rate.Num, FrameSamples*rate.Num), end)
}

// ceilDiv returns a/b rounded up, for a ≥ 0 and b > 0.
func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }

// Frames returns the number of frames.
func (a *Audio) Frames() int {
	if a.pieces != nil {
		return a.pieces[len(a.pieces)-1].To
	}
	return len(a.Track.Samples)
}

// CodecString returns the RFC 6381 name of the stream: "mp4a.40.2".
func (a *Audio) CodecString() string { return a.Track.CodecString() }
