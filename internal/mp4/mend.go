package mp4

import (
	"encoding/binary"
	"io"
	"math"

	"vodwright.dev/vodwright/internal/media"
)

// Patch is bytes that are to be written over those of a file.
type Patch struct {
	Offset int64
	Data   []byte
}

// Mending is what is wrong with how a file tells the times of its samples, and what
// is to be written over it so that readers understand it. The zero Mending is nothing.
type Mending struct {
	Patches []Patch
	Untimed bool // all samples of a track last no time: its length is shared out among them
	Shifted bool // an edit list passes over a delay that the composition times do not have
}

// Mend looks at how a file of size bytes tells the times of its pictures and its sound.
// It reads the movie box, and the headers of fragments as far as they have to be known.
func Mend(r io.ReaderAt, size int64) Mending {
	var out Mending
	boxes, _ := topBoxes(r, size) // of one that is cut short, those before its end
	var moov []byte
	for _, box := range boxes {
		if box.kind != "moov" {
			continue
		}
		if moov != nil {
			return Mending{}
		}
		var err error
		if moov, err = readBody(r, box, maxMoov); err != nil {
			return Mending{}
		}
		m := movieMender{movie: boxesOf(moov), tracks: map[uint32]*trackMender{}}
		_ = eachBox(moov, func(kind string, body []byte) error {
			if kind == "trak" {
				m.track(body)
			}
			return nil
		})
		var fragments []Patch
		if m.movie["mvex"] != nil {
			fragments = m.fragments(r, boxes)
		}
		if out = m.found; m.changed {
			out.Patches = append(out.Patches, Patch{Offset: box.body, Data: moov})
		}
		out.Patches = append(out.Patches, fragments...)
	}
	return out
}

// movieMender changes the bytes of a movie box where they are.
type movieMender struct {
	movie   map[string][]byte
	tracks  map[uint32]*trackMender // by track_ID
	found   Mending
	changed bool // the movie box
}

// trackMender is what fragments have to know of their track.
type trackMender struct {
	length    int64 // of the track, in ticks of its media; 0 is not known
	timescale int64 // of its media
	sound     bool
	trex      []byte // bytes of the default duration; nil without
}

// clock reads the timescale and duration of an mdhd or mvhd box.
func clock(b []byte) (timescale, duration int64) {
	c := cursor{b: b}
	if version, _ := c.full(); version == 1 {
		c.take(16)
		timescale, duration = int64(c.u32()), int64(c.u64())
	} else {
		c.take(8)
		if timescale, duration = int64(c.u32()), int64(c.u32()); duration == math.MaxUint32 {
			duration = 0
		}
	}
	if c.short || duration < 0 || duration > 1<<48 {
		return 0, 0
	}
	return timescale, duration
}

func (m *movieMender) track(body []byte) {
	trak := boxesOf(body)
	mdia := boxesOf(trak["mdia"])
	stbl := boxesOf(boxesOf(mdia["minf"])["stbl"])
	handler := cursor{b: mdia["hdlr"]}
	handler.take(8)
	kind := string(handler.take(4))
	if kind != "vide" && kind != "soun" {
		return
	}
	t := &trackMender{sound: kind == "soun"}
	t.timescale, t.length = clock(mdia["mdhd"])
	movieScale, movieLength := clock(m.movie["mvhd"])
	if t.timescale == 0 {
		return
	}
	id := cursor{b: trak["tkhd"]}
	if version, _ := id.full(); version == 1 {
		id.take(16)
	} else {
		id.take(8)
	}
	m.tracks[id.u32()] = t
	if t.length == 0 && movieScale > 0 {
		t.length = movieLength * t.timescale / movieScale
	}
	m.untimed(stbl["stts"], t.length)
	if kind == "vide" {
		m.shifted(stbl, boxesOf(trak["edts"])["elst"])
	}
}

// untimed gives samples that all last no time their share of their track's length, and
// those that all last one tick where that is no part of what the track's header says.
func (m *movieMender) untimed(stts []byte, length int64) {
	const far = 50 // times as long
	table, err := runs("stts", stts)
	if err != nil {
		return
	}
	samples, total := int64(0), int64(0)
	for _, r := range table {
		samples += int64(r.count)
		if total += int64(r.count) * int64(r.value); r.value > 1 {
			return
		}
	}
	if samples < 2 || length < samples || length/samples > math.MaxInt32 || total > 0 && length/far < total {
		return
	}
	for i := range table {
		binary.BigEndian.PutUint32(stts[8+8*i+4:], uint32(length/samples))
	}
	m.found.Untimed, m.changed = true, true
}

// shifted takes the delay of reordered pictures from an edit list that passes over it,
// where the file has no composition times that hold such a delay: what it passes over
// are the first pictures then.
func (m *movieMender) shifted(stbl map[string][]byte, elst []byte) {
	composed, err := runs("ctts", stbl["ctts"])
	timed, err2 := runs("stts", stbl["stts"])
	if err != nil || err2 != nil || len(timed) == 0 || len(elst) < 8 {
		return
	}
	for _, r := range composed {
		if r.value != 0 {
			return
		}
	}
	c := cursor{b: elst}
	version, _ := c.full()
	count, width := c.u32(), 4
	if version == 1 {
		width = 8
	}
	if c.table("elst", count, 2*width+4) != nil {
		return
	}
	var start []byte // of the only edit that shows something
	for range count {
		c.take(width)
		from := c.take(width)
		if c.take(4); from[0]&0x80 != 0 { // an empty one
			continue
		}
		if start != nil {
			return
		}
		start = from
	}
	at := cursor{b: start}
	passed := int64(at.uint(width))
	if passed == 0 || passed > int64(heldBack(stbl["stsd"]))*int64(timed[0].value) {
		return
	}
	clear(start)
	m.found.Shifted, m.changed = true, true
}

// heldBack returns how many pictures a decoder of a track holds back, by its sample
// entry; 0 is not known.
func heldBack(stsd []byte) int {
	const visual = 78 // bytes of a VisualSampleEntry
	n := 0
	if len(stsd) < 8 {
		return 0
	}
	_ = eachBox(stsd[8:], func(_ string, entry []byte) error {
		if len(entry) < visual {
			return nil
		}
		config := boxesOf(entry[visual:])
		if c := (cursor{b: config["avcC"]}); len(c.b) > 6 {
			c.take(6)
			n = max(n, media.HeldBack("h264", c.take(int(c.u16()))))
		}
		if c := (cursor{b: config["hvcC"]}); len(c.b) > 22 {
			c.take(22)
			for range c.u8() {
				kind := c.u8() & 0x3f
				for range c.u16() {
					if set := c.take(int(c.u16())); kind == 33 {
						n = max(n, media.HeldBack("hevc", set))
					}
					if c.short {
						return nil
					}
				}
			}
		}
		return nil
	})
	return n
}
