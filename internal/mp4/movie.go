package mp4

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"

	box "github.com/Eyevinn/mp4ff/mp4"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/media"
)

// Movie is what WriteProgressive writes: video, audio, or both.
type Movie struct {
	Video *Video
	Audio []MovieAudio // the first one is played where nothing else is asked for

	// CompositionShift writes negative composition offsets and a cslg box, so that
	// composition times start at 0 without an edit list (CslgAtom INCLUDE, the
	// service's usual setting). Otherwise offsets are positive and an edit list
	// skips the reordering delay. Both present the first picture at 0.
	CompositionShift bool

	IndexLast bool   // the movie box stands behind the media (MoovPlacement NORMAL)
	FreeSpace bool   // a free-space box stands behind the movie box (FreeSpaceBox)
	Brand     string // major brand, four characters; "" is mp42
}

// MovieAudio is an audio track of a Movie.
type MovieAudio struct {
	Audio *Audio

	// Language is an ISO 639-2 code or a longer tag of RFC 5646. It comes from source
	// files: a tag is written as its language's code, and in an extended language box as
	// it is; what is no tag as "und".
	Language string
	Name     string // of the track, for people; "" is SoundHandler
}

// WriteProgressive writes an MP4: the movie box first, for who plays it while it
// loads, then the media, video and audio interleaved by half seconds. Both tracks present from 0;
// the audio's priming is skipped by an edit list and so is what its last frame
// holds beyond Audio.Samples. Sample data is copied from the chunks as it goes;
// memory is the tables and a small buffer. It returns the number of bytes written.
//
// Errors: fault.Internal for chunks whose parameter sets differ, which one sample
// entry cannot describe; an error of w or of a chunk's reader as it is, wrapped.
func WriteProgressive(w io.Writer, m Movie) (int64, error) {
	tracks, err := m.tracks()
	if err != nil {
		return 0, err
	}
	for _, t := range tracks {
		t.weigh()
	}
	layout := interleave(tracks)
	head, tail, err := m.encode(tracks, layout)
	if err != nil {
		return 0, err
	}
	n, err := w.Write(head)
	written := int64(n)
	if err != nil {
		return written, fmt.Errorf("write movie box: %w", err)
	}
	c := copier{w: w, buf: make([]byte, 256<<10)}
	for _, run := range layout.runs {
		t := tracks[run.track]
		for i := run.first; i < run.first+run.count; i++ {
			s := t.sample(i)
			if err := c.add(s.from, s.offset, int64(s.size)); err != nil {
				return written + c.written, err
			}
		}
	}
	if err := c.flush(); err != nil || len(tail) == 0 {
		return written + c.written, err
	}
	n, err = w.Write(tail)
	return written + c.written + int64(n), err
}

// movieTrack is a track as it is written. Times are in ticks of timescale.
type movieTrack struct {
	timescale  int64
	duration   int64 // of a sample; all but the last one last the same
	last       int64 // of the last sample
	count      int64 // samples
	perChunk   int64 // samples in each half second
	mediaStart int64 // what the edit list enters at
	presented  int64 // how much of it is presented
	editList   bool
	sample     func(i int64) movieSample
	video      *Video
	audio      *Audio
	shift      bool // CompositionShift
	language   string
	tag        string // of RFC 5646, where language does not say it
	name       string
	alternate  bool     // not the audio that is played where nothing else is asked for
	fragmented bool     // samples are in fragments
	chunks     []uint64 // offsets in the file
	bytes      int64
	largest    int64
	peak       int64 // bits in the busiest second
}

type movieSample struct {
	from   io.ReaderAt
	offset int64
	size   int32
	key    bool
	shift  int64 // showing order less decoding order, in samples
}

// tracks prepares what is written, video first.
func (m Movie) tracks() ([]*movieTrack, error) {
	var out []*movieTrack
	if v := m.Video; v != nil {
		if !v.sameParameters() {
			return nil, fault.New(fault.Internal, "", "write MP4: the chunks' parameter sets differ")
		}
		if v.config.NALLengthSize != 4 {
			return nil, fault.New(fault.Internal, "", "write MP4: NAL length size %d", v.config.NALLengthSize)
		}
		scale := finer(v.FrameRate)
		t := &movieTrack{
			timescale: v.FrameRate.Num * scale,
			duration:  v.FrameRate.Den * scale,
			count:     v.frames,
			video:     v,
			shift:     m.CompositionShift,
			language:  "und",
			sample: func(i int64) movieSample {
				p := v.Picture(i)
				return movieSample{p.Chunk.Data, p.Sample.Offset, p.Sample.Size, p.Sample.Key, p.Frame - i}
			},
		}
		if t.timescale > math.MaxUint32 || t.duration > math.MaxInt32/32 {
			return nil, fault.New(fault.Internal, "", "write MP4: the frame rate %s does not fit", v.FrameRate)
		}
		t.last, t.presented = t.duration, t.count*t.duration
		if !m.CompositionShift {
			t.mediaStart, t.editList = v.Reorder*t.duration, v.Reorder > 0
		}
		out = append(out, t)
	}
	for i, given := range m.Audio {
		a := given.Audio
		out = append(out, &movieTrack{
			alternate:  i > 0,
			tag:        languageTag(given.Language),
			name:       given.Name,
			timescale:  int64(a.Track.SampleRate),
			duration:   FrameSamples,
			count:      (a.Priming + a.Samples + FrameSamples - 1) / FrameSamples,
			mediaStart: a.Priming,
			presented:  a.Samples,
			last:       a.Priming + a.Samples - (a.Priming+a.Samples-1)/FrameSamples*FrameSamples,
			editList:   true,
			audio:      a,
			language:   cmp.Or(media.LanguageCode(given.Language), "und"),
			sample: func(i int64) movieSample {
				from, s := a.Frame(int(i))
				return movieSample{from, s.Offset, s.Size, true, 0}
			},
		})
	}
	if len(out) == 0 {
		return nil, fault.New(fault.Internal, "", "write MP4: neither video nor audio")
	}
	for _, t := range out {
		t.perChunk = max(1, t.timescale/(2*t.duration))
	}
	return out, nil
}

// finer returns by how much ticks are finer than the frame rate's own, which leaves
// players room to round.
func finer(rate media.Rational) int64 { return max(1, (10_000+rate.Num-1)/rate.Num) }

// VideoTimescale returns how many ticks a second has in which video of a frame rate
// is counted.
func VideoTimescale(rate media.Rational) int64 { return rate.Num * finer(rate) }

// languageTag returns a language tag that is not an ISO 639-2 code, "" for anything else.
func languageTag(s string) string {
	if len(s) == 3 || len(s) < 2 || len(s) > 35 || strings.HasPrefix(s, "-") || strings.HasSuffix(s, "-") {
		return ""
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' {
			return ""
		}
	}
	return s
}

// length returns how long the media lasts, in ticks.
func (t *movieTrack) length() int64 { return (t.count-1)*t.duration + t.last }

// weigh finds the track's bytes, largest sample and busiest second.
func (t *movieTrack) weigh() {
	second := max(1, t.timescale/t.duration)
	window, from := int64(0), int64(0)
	for i := range t.count {
		n := int64(t.sample(i).size)
		t.bytes += n
		t.largest = max(t.largest, n)
		window += n
		if i-from == second {
			window -= int64(t.sample(from).size)
			from++
		}
		t.peak = max(t.peak, window*8)
	}
}

// sampleRun is consecutive samples of one track that lie together: a chunk in the
// sense of ISO/IEC 14496-12.
type sampleRun struct {
	track        int
	first, count int64
}

type layout struct {
	runs  []sampleRun
	bytes int64 // of all sample data
}

// interleave orders half seconds of the tracks by their time.
func interleave(tracks []*movieTrack) layout {
	var l layout
	next := make([]int64, len(tracks))
	for {
		pick, at := -1, 0.0
		for i, t := range tracks {
			if next[i] == t.count {
				continue
			}
			if begin := float64(next[i]*t.duration) / float64(t.timescale); pick < 0 || begin < at {
				pick, at = i, begin
			}
		}
		if pick < 0 {
			return l
		}
		t := tracks[pick]
		n := min(t.perChunk, t.count-next[pick])
		l.runs = append(l.runs, sampleRun{pick, next[pick], n})
		t.chunks = append(t.chunks, uint64(l.bytes))
		for i := next[pick]; i < next[pick]+n; i++ {
			l.bytes += int64(t.sample(i).size)
		}
		next[pick] += n
	}
}

// encode returns everything before the sample data, and everything behind it.
func (m Movie) encode(tracks []*movieTrack, l layout) (head, tail []byte, err error) {
	mdat := make([]byte, 8, 16)
	copy(mdat[4:], "mdat")
	if l.bytes+8 > math.MaxUint32 {
		mdat = mdat[:16]
		binary.BigEndian.PutUint32(mdat, 1)
		binary.BigEndian.PutUint64(mdat[8:], uint64(l.bytes)+16)
	} else {
		binary.BigEndian.PutUint32(mdat, uint32(l.bytes)+8)
	}
	// iso4 is the brand of signed composition offsets; mp42 of AAC in MP4.
	brands := []string{"mp42", "isom", "iso4", "avc1"}
	if tracks[0].video == nil {
		brands[3] = "M4A "
	}
	major := "mp42"
	if len(m.Brand) == 4 {
		major = m.Brand
	}
	var front, free buffer
	if err := box.NewFtyp(major, 0, brands).Encode(&front); err != nil {
		return nil, nil, fmt.Errorf("encode file type box: %w", err)
	}
	if m.FreeSpace {
		free = binary.BigEndian.AppendUint32(nil, freeSpace)
		free = append(append(free, "free"...), make([]byte, freeSpace-8)...)
	}
	index := func(wide bool, base uint64) (buffer, error) {
		var out buffer
		if err := movieBox(tracks, wide, base).Encode(&out); err != nil {
			return nil, fmt.Errorf("encode movie box: %w", err)
		}
		return append(out, free...), nil
	}
	if m.IndexLast {
		front = append(front, mdat...)
		tail, err := index(uint64(len(front))+uint64(l.bytes) > math.MaxUint32, uint64(len(front)))
		return front, tail, err
	}
	// The size of the movie box depends on the width of its offsets, which depend on its size.
	size := func(wide bool) uint64 {
		return uint64(len(front)) + movieBox(tracks, wide, 0).Size() + uint64(len(free)+len(mdat))
	}
	wide := size(false)+uint64(l.bytes) > math.MaxUint32
	base := size(wide)
	out, err := index(wide, base)
	if err != nil {
		return nil, nil, err
	}
	front = append(append(front, out...), mdat...)
	if uint64(len(front)) != base {
		return nil, nil, fault.New(fault.Internal, "", "write MP4: the movie box has %d bytes, not %d", len(front), base)
	}
	return front, nil, nil
}

// freeSpace is how many bytes a free-space box has: room for tags that are added later.
const freeSpace = 2048

type buffer []byte

func (b *buffer) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}

// copier copies byte ranges, joining those that follow each other in one file.
type copier struct {
	w       io.Writer
	buf     []byte
	from    io.ReaderAt
	at, n   int64
	written int64
}

func (c *copier) add(from io.ReaderAt, at, n int64) error {
	if c.n > 0 && c.from == from && c.at+c.n == at {
		c.n += n
		return nil
	}
	if err := c.flush(); err != nil {
		return err
	}
	c.from, c.at, c.n = from, at, n
	return nil
}

func (c *copier) flush() error {
	for c.n > 0 {
		b := c.buf[:min(c.n, int64(len(c.buf)))]
		if err := readFull(c.from, b, c.at); err != nil {
			return fmt.Errorf("read sample data at %d: %w", c.at, err)
		}
		n, err := c.w.Write(b)
		c.written += int64(n)
		if err != nil {
			return fmt.Errorf("write sample data: %w", err)
		}
		c.at += int64(len(b))
		c.n -= int64(len(b))
	}
	return nil
}

// movieTimescale returns ticks a second in which all tracks' durations are whole
// numbers, or 90,000 where that would be too fine to be sensible.
func movieTimescale(tracks []*movieTrack) int64 {
	scale := int64(1)
	for _, t := range tracks {
		g := media.R(scale, t.timescale) // scale/g over timescale/g
		if scale = scale * g.Den; scale > 10_000_000 {
			return 90_000
		}
	}
	return scale
}
