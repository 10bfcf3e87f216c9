package mp4

import (
	"cmp"
	"slices"
	"sort"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/media"
)

// Video is one rung: the tracks of its chunks in order, joined into one run of
// pictures on an exact grid. Picture k is shown at k/FrameRate seconds, whatever
// the time stamps of the chunks say: from those only the order within a chunk is
// taken. It is safe for concurrent use when the chunks are.
type Video struct {
	FrameRate media.Rational // pictures a second
	Width     int            // pixels, of the sample entry
	Height    int            // pixels

	// Reorder is by how many pictures decoding runs ahead of showing: the j-th
	// picture in decoding order is decoded at (j-Reorder)/FrameRate, so that none
	// is shown before it is decoded. 0 without B-frames. It is what the parameter sets
	// announce, whatever the pictures of a chunk need, so that it is known of any one.
	Reorder int64

	chunks []*Track
	config *Track  // the first chunk that is there
	first  []int64 // decoding index of each chunk's first picture
	frames int64
	shown  []int32 // per picture in decoding order: its place in showing order, less its place in decoding order
}

// Picture is one picture of a Video.
type Picture struct {
	Chunk  *Track // where its data is; its parameter sets
	Sample Sample // Offset, Size and Key; the times are the chunk's own
	Frame  int64  // its place in showing order, from 0
}

// NewVideo joins chunks, in order, to one Video. Every chunk must start with a
// sync sample that is also its first picture shown, have distinct composition
// times and be of one size.
//
// Errors: fault.Internal, for they are defects of the encode, not of the request.
func NewVideo(rate media.Rational, chunks ...*Track) (*Video, error) {
	if !rate.Known() {
		return nil, fault.New(fault.Internal, "", "join chunks: the frame rate %s is not one", rate)
	}
	if len(chunks) == 0 {
		return nil, fault.New(fault.Internal, "", "join chunks: there are none")
	}
	v := &Video{FrameRate: rate, chunks: chunks}
	total := 0
	for _, t := range chunks {
		total += t.frames()
		if v.config == nil && t.absent == 0 {
			v.config = t
		}
	}
	if v.config == nil {
		return nil, fault.New(fault.Internal, "", "join chunks: none is there")
	}
	v.Width, v.Height = v.config.Width, v.config.Height
	if len(v.config.SPS) > 0 {
		if u := vui(v.config.SPS[0]); u != nil && u.BitstreamRestrictionFlag {
			v.Reorder = int64(u.MaxNumReorderFrames)
		}
	}
	v.shown = make([]int32, 0, total)
	for i, t := range chunks {
		if t.absent > 0 {
			v.first = append(v.first, v.frames)
			v.frames += int64(t.absent)
			v.shown = v.shown[:v.frames]
			continue
		}
		if t.Kind != Video264 || len(t.Samples) == 0 {
			return nil, fault.New(fault.Internal, "", "join chunks: chunk %d is not video", i)
		}
		if t.Width != v.Width || t.Height != v.Height {
			return nil, fault.New(fault.Internal, "", "join chunks: chunk %d is %d×%d, the first %d×%d", i, t.Width, t.Height, v.Width, v.Height)
		}
		v.first = append(v.first, v.frames)
		v.frames += int64(len(t.Samples))
		if err := v.join(t, i); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// join finds the showing order of chunk i.
func (v *Video) join(t *Track, i int) error {
	order := make([]int32, len(t.Samples)) // decoding indexes in showing order
	for j := range order {
		order[j] = int32(j)
	}
	slices.SortFunc(order, func(a, b int32) int { return cmp.Compare(t.Samples[a].PTS, t.Samples[b].PTS) })
	base := len(v.shown)
	v.shown = v.shown[:base+len(order)]
	for rank, j := range order {
		if rank > 0 && t.Samples[j].PTS == t.Samples[order[rank-1]].PTS {
			return fault.New(fault.Internal, "", "join chunks: two pictures of chunk %d are shown at once", i)
		}
		ahead := int32(rank) - j
		v.shown[base+int(j)] = ahead
		v.Reorder = max(v.Reorder, int64(-ahead))
	}
	if order[0] != 0 || !t.Samples[0].Key {
		return fault.New(fault.Internal, "", "join chunks: chunk %d does not start with a key picture", i)
	}
	return nil
}

// Frames returns the number of pictures.
func (v *Video) Frames() int64 { return v.frames }

// Picture returns the j-th picture in decoding order, 0 ≤ j < Frames.
func (v *Video) Picture(j int64) Picture {
	i := 0
	if len(v.first) > 1 {
		i = sort.Search(len(v.first), func(i int) bool { return v.first[i] > j }) - 1
	}
	if v.chunks[i].absent > 0 {
		return Picture{Chunk: v.chunks[i], Sample: Sample{Size: 1, Key: true}, Frame: j}
	}
	return Picture{
		Chunk:  v.chunks[i],
		Sample: v.chunks[i].Samples[j-v.first[i]],
		Frame:  j + int64(v.shown[j]),
	}
}

// Keys returns the frames of all key pictures that nothing shown before them is
// decoded after, increasing.
func (v *Video) Keys() []int64 {
	var out []int64
	for j := range v.frames {
		if p := v.Picture(j); p.Sample.Key && p.Frame == j {
			out = append(out, j)
		}
	}
	return out
}

// CheckStart reports whether a segment may start at frame k: the picture is a
// sync sample and nothing shown before it is decoded after it.
func (v *Video) CheckStart(k int64) error {
	if k < 0 || k >= v.frames {
		return fault.New(fault.Internal, "", "start segment at frame %d: there are %d", k, v.frames)
	}
	p := v.Picture(k)
	if !p.Sample.Key || p.Frame != k {
		return fault.New(fault.Internal, "", "start segment at frame %d: no key picture is there", k)
	}
	for j := k + 1; j < min(v.frames, k+maxLeading); j++ {
		if v.Picture(j).Frame < k {
			return fault.New(fault.Internal, "", "start segment at frame %d: a picture shown before it is decoded after it", k)
		}
	}
	return nil
}

// maxLeading is how far after a key picture one that is shown before it can be
// decoded: H.264 holds at most 16 pictures back for reordering.
const maxLeading = 17

// CodecString returns the RFC 6381 name of the stream, such as "avc1.4d401f".
func (v *Video) CodecString() string { return v.config.CodecString() }

// PixelAspect returns the shape of a pixel, 1 where the stream does not say.
func (v *Video) PixelAspect() media.Rational {
	h, w := (&movieTrack{video: v}).aspect()
	return media.R(int64(h), int64(w))
}

// sameParameters reports whether every chunk has the parameter sets of the first.
func (v *Video) sameParameters() bool {
	a := v.config
	equal := func(x, y [][]byte) bool {
		return slices.EqualFunc(x, y, func(p, q []byte) bool { return slices.Equal(p, q) })
	}
	for _, b := range v.chunks {
		if b.absent > 0 {
			continue
		}
		if a.NALLengthSize != b.NALLengthSize || !equal(a.SPS, b.SPS) || !equal(a.PPS, b.PPS) {
			return false
		}
	}
	return true
}

// Chunks returns the tracks that NewVideo joined. The caller must not change them.
func (v *Video) Chunks() []*Track { return v.chunks }
