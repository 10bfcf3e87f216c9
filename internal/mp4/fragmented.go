package mp4

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	box "github.com/Eyevinn/mp4ff/mp4"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/media"
)

// Fragmented is one track as a CMAF track file (ISO/IEC 23000-19): an init segment
// and media segments of one or more fragments each, written without knowledge of
// each other. There is no edit list: a sample's place in the presentation is its
// composition time, in every segment, and a segment is decoded from when it begins
// to be shown until it ends. It is safe for concurrent use when the track is.
type Fragmented struct {
	// Signed composition offsets let every picture have the same decoding time as if
	// there were no reordering. Otherwise a picture is decoded as late as it can be,
	// and what comes before the second one shown shares the first one's time: no
	// offset is negative, which some demuxers (FFmpeg 5.1) shift what is shown by.
	Signed bool

	// KeyAlone makes a fragment of every key picture, which can be read alone.
	KeyAlone bool

	track  *movieTrack
	starts []int64 // first sample of each segment, and the end of the last one
	skip   int64   // audio: frames before the one with sample 0
	length int64   // of a fragment at least, in ticks
}

// CutVideo returns the fragmented track of video whose segments begin at the frames
// starts. A fragment lasts seconds at least, and is some whole GOPs.
//
// Errors: fault.Internal for video that has no key picture at a start.
func CutVideo(v *Video, starts []int64, seconds int64) (*Fragmented, error) {
	for _, k := range starts {
		if err := v.CheckStart(k); err != nil {
			return nil, err
		}
	}
	tracks, err := Movie{Video: v, CompositionShift: true}.tracks()
	if err != nil {
		return nil, err
	}
	f := &Fragmented{track: tracks[0], starts: append(append([]int64{}, starts...), v.Frames())}
	return f, f.ready(seconds)
}

// CutAudio returns the fragmented track of audio whose segments hold the frames that
// begin while the video frames of a segment are shown, rate a second, frames in all.
// The encoder's priming is left out, as in transport streams.
func CutAudio(a *Audio, language string, rate media.Rational, starts []int64, frames, seconds int64) (*Fragmented, error) {
	tracks, err := Movie{Audio: []MovieAudio{{Audio: a, Language: language}}}.tracks()
	if err != nil {
		return nil, err
	}
	f := &Fragmented{track: tracks[0], skip: int64(a.FrameAt(0, rate))}
	for _, k := range starts {
		f.starts = append(f.starts, int64(a.FrameAt(k, rate)))
	}
	f.starts = append(f.starts, int64(a.FrameAt(frames, rate)))
	return f, f.ready(seconds)
}

func (f *Fragmented) ready(seconds int64) error {
	t := f.track
	t.fragmented = true
	f.length = min(max(seconds, 1), 1<<20) * t.timescale
	for i := 1; i < len(f.starts); i++ {
		if f.starts[i] <= f.starts[i-1] {
			return fault.New(fault.Internal, "", "write MP4: segment %d has no samples", i-1)
		}
	}
	return nil
}

// Timescale is how many ticks a second has in which Times counts.
func (f *Fragmented) Timescale() int64 { return f.track.timescale }

// Segments returns the number of segments.
func (f *Fragmented) Segments() int { return len(f.starts) - 1 }

// Times returns when segment i begins and ends, in ticks.
func (f *Fragmented) Times(i int) (from, to int64) {
	return f.time(f.starts[i]), f.time(f.starts[i+1])
}

func (f *Fragmented) time(sample int64) int64 { return (sample - f.skip) * f.track.duration }

// WriteInit writes the init segment: the file type and a movie box without samples.
func (f *Fragmented) WriteInit(w io.Writer) (int64, error) {
	head, err := f.head()
	if err != nil {
		return 0, err
	}
	n, err := w.Write(head)
	return int64(n), err
}

func (f *Fragmented) head() ([]byte, error) {
	brands := []string{"iso6", "cmfc", "isom", "mp41"}
	if f.Signed {
		brands[1] = "cmf2" // signed offsets, no edit list
	}
	moov := movieBox([]*movieTrack{f.track}, false, 0)
	moov.Mvhd.Duration = 0 // the fragments have it
	mvex := box.NewMvexBox()
	trex := box.CreateTrex(1)
	mvex.AddChild(trex)
	moov.AddChild(mvex)
	var out buffer
	if err := box.NewFtyp("iso6", 0, brands).Encode(&out); err != nil {
		return nil, fmt.Errorf("encode file type box: %w", err)
	}
	if err := moov.Encode(&out); err != nil {
		return nil, fmt.Errorf("encode movie box: %w", err)
	}
	return out, nil
}

// KeySample is where a key picture lies in a segment that is the first one of a
// fragment, from the fragment's header to the picture's end: a whole fragment with
// KeyAlone.
type KeySample struct {
	Time         int64 // when it is shown, in ticks
	Offset, Size int64 // bytes from the segment's start
}

// WriteSegment writes segment i, and returns its size and its fragments' first samples.
func (f *Fragmented) WriteSegment(w io.Writer, i int) (int64, []KeySample, error) {
	return f.write(w, i, math.MaxInt64)
}

// WriteBegun writes what WriteSegment's bytes are sure to begin with while not all
// pictures of the segment are there: the fragments that are. Those pictures must be
// whole GOPs.
func (f *Fragmented) WriteBegun(w io.Writer, i int) error {
	if i < 0 || i >= f.Segments() || f.track.video == nil {
		return fault.New(fault.Internal, "", "write MP4: segment %d of %d cannot be begun", i, f.Segments())
	}
	sure := f.starts[i]
	for sure < f.starts[i+1] && f.track.sample(sure).from != (absent{}) {
		sure++
	}
	// Of what is not there it is not known by how much it is decoded earlier than shown.
	least, most := f.decodingWith(i, f.track.video.Reorder), f.decoding(i)
	for sure > f.starts[i] && least[sure-f.starts[i]] != most[sure-f.starts[i]] {
		sure--
	}
	if parts := f.fragments(i); parts[0][1] > sure {
		return nil
	}
	_, _, err := f.write(w, i, sure)
	return err
}

// write writes segment i, of its fragments those before the sample end.
func (f *Fragmented) write(w io.Writer, i int, end int64) (int64, []KeySample, error) {
	if i < 0 || i >= f.Segments() {
		return 0, nil, fault.New(fault.Internal, "", "write MP4: segment %d of %d", i, f.Segments())
	}
	c := copier{w: w, buf: make([]byte, 256<<10)}
	var keys []KeySample
	written := int64(0)
	put := func(b []byte) error {
		if err := c.flush(); err != nil {
			return err
		}
		n, err := w.Write(b)
		written += int64(n)
		return err
	}
	if err := put(segmentType()); err != nil {
		return 0, nil, err
	}
	decoded := f.decoding(i)
	for n, part := range f.fragments(i) {
		from, to := part[0], part[1]
		if to > end {
			break
		}
		head, _ := f.fragment(from, to, decoded[from-f.starts[i]:], uint32(i*maxFragments+n+1))
		first := f.track.sample(from)
		if first.key {
			keys = append(keys, KeySample{Time: f.time(from + first.shift), Offset: written + c.written, Size: int64(len(head)) + int64(first.size)})
		}
		if err := put(head); err != nil {
			return 0, nil, err
		}
		for k := from; k < to; k++ {
			s := f.track.sample(k)
			if err := c.add(s.from, s.offset, int64(s.size)); err != nil {
				return 0, nil, err
			}
		}
		if err := c.flush(); err != nil {
			return 0, nil, err
		}
	}
	return written + c.written, keys, nil
}

// maxFragments spaces the sequence numbers of fragments of segments that do not
// know of each other.
const maxFragments = 1 << 10

// segmentType is the styp box of a segment.
func segmentType() []byte {
	b := binary.BigEndian.AppendUint32(nil, 24)
	return append(b, "styp"+"msdh\x00\x00\x00\x00"+"msdh"+"cmfs"...)
}

// fragments cuts segment i into runs of samples [from, to). Those of video begin
// with a key picture.
func (f *Fragmented) fragments(i int) [][2]int64 {
	var out [][2]int64
	from, end := f.starts[i], f.starts[i+1]
	for k := from + 1; k <= end; k++ {
		key := k < end && f.track.sample(k).key
		alone := f.KeyAlone && (k-from == 1 && f.track.sample(from).key || key)
		if k < end && !alone && ((k-from)*f.track.duration < f.length || !key) {
			continue
		}
		out = append(out, [2]int64{from, k})
		from = k
	}
	return out
}

// Flags of samples (ISO/IEC 14496-12, 8.8.3.1).
const (
	sampleAlone    = 0x0200_0000 // depends on no other
	sampleDepends  = 0x0100_0000
	sampleNonKey   = sampleDepends | sampleIsNonSync
	tfhdBaseIsMoof = 0x020000
)

// decoding returns the decoding time of each sample of segment i, and its end.
//
// From the end back, a picture is decoded one period before the next one, or when
// it is shown if that is earlier. What would come out before the segment begins,
// as many pictures as decoding runs ahead, shares the first picture's time.
func (f *Fragmented) decoding(i int) []int64 { return f.decodingWith(i, 0) }

// decodingWith is decoding with pictures that are not there shown so many pictures
// before their place in decoding order.
func (f *Fragmented) decodingWith(i int, early int64) []int64 {
	t := f.track
	from, end := f.starts[i], f.starts[i+1]
	n := end - from
	out := make([]int64, n+1)
	for k := range out {
		out[k] = f.time(from + int64(k))
	}
	if f.Signed || t.video == nil || t.video.Reorder == 0 {
		return out
	}
	begin, lead := out[0], t.video.Reorder
	for k := n - 1; k >= 0; k-- {
		sample := t.sample(from + k)
		if sample.from == (absent{}) {
			sample.shift = -early
		}
		shown := f.time(from + k + sample.shift)
		out[k] = min(shown, out[k+1]-t.duration)
	}
	out[0] = begin
	for k := int64(1); k <= min(lead, n-1); k++ {
		// Most of the time is the first picture's.
		out[k] = max(out[k], begin+t.duration-(lead+1-k)*t.duration/(4*(lead+1)))
	}
	return out
}

// fragment returns the moof box and the header of the mdat box of the samples
// [from, to), which are decoded at these times, and how many bytes of samples follow.
func (f *Fragmented) fragment(from, to int64, decoded []int64, sequence uint32) (head []byte, data int64) {
	t := f.track
	shifts := t.video != nil && t.video.Reorder > 0
	u32 := func(b []byte, v ...uint32) []byte {
		for _, n := range v {
			b = binary.BigEndian.AppendUint32(b, n)
		}
		return b
	}
	start := func(b []byte, kind string) []byte { return append(u32(b, 0), kind...) }
	close := func(b []byte, at int) { binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at)) }

	b := start(nil, "moof")
	at := len(b)
	b = u32(start(b, "mfhd"), 0, sequence)
	close(b, at)
	traf := len(b)
	b = start(b, "traf")
	at = len(b)
	b = start(b, "tfhd")
	if t.video != nil {
		b = u32(b, tfhdBaseIsMoof|tfhdDefaultDuration, 1, uint32(t.duration))
	} else {
		b = u32(b, tfhdBaseIsMoof|tfhdDefaultDuration|tfhdDefaultFlags, 1, uint32(t.duration), sampleAlone)
	}
	close(b, at)
	at = len(b)
	b = u32(start(b, "tfdt"), 1<<24)
	b = binary.BigEndian.AppendUint64(b, uint64(decoded[0]))
	close(b, at)

	at = len(b)
	b = start(b, "trun")
	flags := uint32(trunDataOffset | trunSize)
	if t.video != nil {
		flags |= trunFlags
	}
	if shifts && f.Signed {
		flags |= trunCompositionShift | 1<<24
	} else if shifts {
		flags |= trunCompositionShift | trunDuration
	}
	b = u32(b, flags, uint32(to-from))
	offset := len(b)
	b = u32(b, 0)
	for k := from; k < to; k++ {
		s := t.sample(k)
		data += int64(s.size)
		if flags&trunDuration != 0 {
			b = u32(b, uint32(decoded[k-from+1]-decoded[k-from]))
		}
		b = u32(b, uint32(s.size))
		if t.video != nil {
			flags := uint32(sampleNonKey)
			if s.key {
				flags = sampleAlone
			}
			b = u32(b, flags)
		}
		if shifts {
			b = u32(b, uint32(int32(f.time(k+s.shift)-decoded[k-from])))
		}
	}
	close(b, at)
	close(b, traf)
	close(b, 0)
	if data+8 > math.MaxUint32 {
		b = append(u32(b, 1), "mdat"...)
		b = binary.BigEndian.AppendUint64(b, uint64(data)+16)
	} else {
		b = append(u32(b, uint32(data)+8), "mdat"...)
	}
	binary.BigEndian.PutUint32(b[offset:], uint32(len(b)))
	return b, data
}

// size returns how many bytes segment i has.
func (f *Fragmented) size(i int) int64 {
	n := int64(len(segmentType()))
	decoded := f.decoding(i)
	for _, part := range f.fragments(i) {
		head, data := f.fragment(part[0], part[1], decoded[part[0]-f.starts[i]:], 0)
		n += int64(len(head)) + data
	}
	return n
}

// Index returns the sidx box of a file that holds all segments right behind it.
//
// Errors: fault.Limit for a segment of more than 2 GiB, or more than 65,535 of
// them, which the box cannot describe.
func (f *Fragmented) Index() ([]byte, error) {
	n := f.Segments()
	if n > math.MaxUint16 {
		return nil, fault.New(fault.Limit, "", "one file cannot have an index of %d segments: make them longer", n)
	}
	b := binary.BigEndian.AppendUint32(nil, uint32(40+12*n))
	b = append(b, "sidx"...)
	for _, v := range []uint32{1 << 24, 1, uint32(f.track.timescale)} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	first, _ := f.Times(0)
	b = binary.BigEndian.AppendUint64(b, uint64(first))
	b = binary.BigEndian.AppendUint64(b, 0) // the first segment follows
	b = binary.BigEndian.AppendUint32(b, uint32(n))
	for i := range n {
		size := f.size(i)
		from, to := f.Times(i)
		if size > math.MaxInt32 || to-from > math.MaxUint32 {
			return nil, fault.New(fault.Limit, "", "one file cannot have an index of segments of %d bytes: make them shorter", size)
		}
		b = binary.BigEndian.AppendUint32(b, uint32(size))
		b = binary.BigEndian.AppendUint32(b, uint32(to-from))
		b = binary.BigEndian.AppendUint32(b, 0x9000_0000) // begins with a stream access point of type 1
	}
	return b, nil
}
