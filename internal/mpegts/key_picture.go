package mpegts

import (
	"fmt"
	"io"

	"vodwright.dev/vodwright/internal/fault"
)

// TablesSize is how many bytes at the start of every segment are its tables: the
// media initialization section of a playlist of I-frames (RFC 8216, 4.3.2.5).
const TablesSize = 2 * packetSize

// KeyPicture is where an IDR picture lies in a segment: whole packets, of the
// video alone.
type KeyPicture struct {
	PTS    int64 // as of its Unit
	Offset int64 // bytes from the segment's start
	Size   int64 // bytes
}

// IndexSegment writes segment i as WriteSegment does and tells where its IDR
// pictures are.
func (s *Stream) IndexSegment(w io.Writer, i int) (n int64, keys []KeyPicture, err error) {
	if i < 0 || i >= s.Segments() {
		return 0, nil, fault.New(fault.Internal, "", "MPEG-TS: segment %d of %d", i, s.Segments())
	}
	n, keys, err = s.muxer.writeSegment(w, s.Segment(i))
	if err != nil {
		return n, nil, fmt.Errorf("pack segment %d: %w", i, err)
	}
	return n, keys, nil
}

// WriteKeyPicture writes a stream of one picture: the IDR picture that is shown at
// frame, which is the index-th of them.
func (s *Stream) WriteKeyPicture(w io.Writer, index int, frame int64) (int64, error) {
	if s.video == nil || frame < 0 || frame >= s.timeline.Frames {
		return 0, fault.New(fault.Internal, "", "MPEG-TS: no picture %d", frame)
	}
	u := s.picture(frame)
	u.DTS = u.PTS
	return s.muxer.WriteSegment(w, Segment{Index: index, Video: []Unit{u}})
}
