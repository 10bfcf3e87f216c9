package mp4

import (
	"io"
	"math"
)

// Tables is what the movie box of a file says of the samples of one track, whatever
// its codec. It holds the box's bytes; Each reads them.
type Tables struct {
	Handler   string // "vide", "soun" …
	Timescale int64  // ticks a second
	Samples   int    // of the whole track
	// MediaStart is the composition time that the edit list shows first, 0 without one.
	MediaStart int64
	// Shown is for how many ticks it is shown; math.MaxInt64 without an edit list.
	Shown int64
	// Delayed says that the edit list has the track begin late.
	Delayed bool
	Edits   int // that show something

	file                  int64 // size of the file
	entries               uint32
	sizes                 cursor // of stsz, behind its header
	uniform               uint32
	stts, ctts            []run
	stss                  cursor // behind its count
	keys                  uint32
	keyed, grouped        bool
	chunks, perChunk      cursor
	chunkCount, stscCount uint32
	chunkWidth            int
}

// ReadTables reads the tables of every track of a file of size bytes, in their
// order. A file is read whose samples are all listed in its movie box: false is one
// that is fragmented, or that this package cannot read. Only boxes' headers and the
// movie box are read.
func ReadTables(r io.ReaderAt, size int64) ([]Tables, bool) {
	boxes, err := topBoxes(r, size)
	if err != nil {
		return nil, false
	}
	var moov []byte
	for _, box := range boxes {
		switch box.kind {
		case "moof":
			return nil, false
		case "moov":
			if moov != nil {
				return nil, false
			}
			if moov, err = readBody(r, box, maxMoov); err != nil {
				return nil, false
			}
		}
	}
	var out []Tables
	good := moov != nil
	scale := int64(0)
	err = eachBox(moov, func(kind string, body []byte) error {
		switch kind {
		case "cmov", "mvex":
			good = false
		case "mvhd":
			c := cursor{b: body}
			if version, _ := c.full(); version == 1 {
				c.take(16)
			} else {
				c.take(8)
			}
			scale = int64(c.u32())
		case "trak":
			t := Tables{file: size}
			if !t.read(body, scale) {
				good = false
			}
			out = append(out, t)
		}
		return nil
	})
	return out, err == nil && good
}

// Encrypted reports whether the movie box of a file of size bytes has pictures or
// sound in entries of encrypted samples (ISO/IEC 14496-12, 8.12), in whatever scheme
// and in fragments too. A file that is cut short behind its movie box is read.
func Encrypted(r io.ReaderAt, size int64) bool {
	boxes, _ := topBoxes(r, size)
	found := false
	for _, box := range boxes {
		if box.kind != "moov" {
			continue
		}
		moov, err := readBody(r, box, maxMoov)
		if err != nil {
			return false
		}
		_ = eachBox(moov, func(kind string, body []byte) error {
			if kind != "trak" {
				return nil
			}
			entries := boxesOf(boxesOf(boxesOf(boxesOf(body)["mdia"])["minf"])["stbl"])["stsd"]
			if len(entries) < 8 {
				return nil
			}
			return eachBox(entries[8:], func(kind string, _ []byte) error {
				found = found || kind == "encv" || kind == "enca"
				return nil
			})
		})
	}
	return found
}

// boxesOf lists the boxes in b by kind; of several of a kind the last one.
func boxesOf(b []byte) map[string][]byte {
	out := map[string][]byte{}
	if eachBox(b, func(kind string, body []byte) error { out[kind] = body; return nil }) != nil {
		return nil
	}
	return out
}

// read reads a trak box, scale ticks a second being those of the movie.
func (t *Tables) read(b []byte, scale int64) bool {
	trak := boxesOf(b)
	media := boxesOf(trak["mdia"])
	stbl := boxesOf(boxesOf(media["minf"])["stbl"])
	c := cursor{b: media["hdlr"]}
	c.take(8)
	t.Handler = string(c.take(4))
	head := cursor{b: media["mdhd"]}
	if version, _ := head.full(); version == 1 {
		head.take(16)
	} else {
		head.take(8)
	}
	t.Timescale = int64(head.u32())
	if c.short || head.short || t.Timescale == 0 || scale == 0 || !t.edits(boxesOf(trak["edts"])["elst"], scale) {
		return false
	}
	c = cursor{b: stbl["stsd"]}
	c.full()
	t.entries = c.u32()
	t.sizes = cursor{b: stbl["stsz"]}
	t.sizes.full()
	t.uniform = t.sizes.u32()
	count := t.sizes.u32()
	if t.sizes.short || t.uniform == 0 && t.sizes.table("stsz", count, 4) != nil || count > math.MaxInt32 {
		return false
	}
	t.Samples = int(count)
	var err error
	if t.stts, err = runs("stts", stbl["stts"]); err != nil {
		return false
	}
	if t.ctts, err = runs("ctts", stbl["ctts"]); err != nil {
		return false
	}
	if b, ok := stbl["stss"]; ok {
		t.keyed, t.stss = true, cursor{b: b}
		t.stss.full()
		t.keys = t.stss.u32()
		if t.stss.table("stss", t.keys, 4) != nil {
			return false
		}
	}
	_, t.grouped = stbl["sbgp"]
	if _, partial := stbl["stps"]; partial {
		t.grouped = true
	}
	t.chunks, t.chunkWidth = cursor{b: stbl["stco"]}, 4
	if stbl["stco"] == nil {
		t.chunks, t.chunkWidth = cursor{b: stbl["co64"]}, 8
	}
	t.chunks.full()
	t.chunkCount = t.chunks.u32()
	t.perChunk = cursor{b: stbl["stsc"]}
	t.perChunk.full()
	t.stscCount = t.perChunk.u32()
	return t.chunks.table("stco", t.chunkCount, t.chunkWidth) == nil && t.perChunk.table("stsc", t.stscCount, 12) == nil
}

// edits reads the edit list.
func (t *Tables) edits(b []byte, scale int64) bool {
	t.Shown = math.MaxInt64
	if b == nil {
		return true
	}
	c := cursor{b: b}
	version, _ := c.full()
	count, size := c.u32(), 12
	if version == 1 {
		size = 20
	}
	if c.table("elst", count, size) != nil {
		return false
	}
	for i := range count {
		var length, start int64
		if version == 1 {
			length, start = int64(c.u64()), int64(c.u64())
		} else {
			length, start = int64(c.u32()), int64(int32(c.u32()))
		}
		rate := c.u32()
		switch {
		case start == -1 && i == 0:
			t.Delayed = true
		case start < 0 || rate != 1<<16 || length < 0 || length > math.MaxInt64/t.Timescale-1:
			return false
		default:
			t.Edits++
			t.MediaStart, t.Shown = start, (length*t.Timescale+scale/2)/scale
		}
	}
	return !c.short
}

// Jump is a sample that does not begin where the one before it would have ended.
type Jump struct {
	PTS   int64 // of the sample, as in Listed
	Ticks int64 // by how much it is late; negative is early
}

// Bounds of jumps: a track that has more of them has no beat, and samples shorter than
// this are not those that a demuxer makes packets of.
const (
	mostJumps  = 20_000
	leastTicks = 64
)

// Beat returns how many ticks each sample lasts and where that is not so, the last
// sample aside: 0 for a track of which the tables do not tell that, or that more than
// one edit shows.
func (t *Tables) Beat() (ticks int64, jumps []Jump) {
	if t.Edits > 1 || len(t.stts) == 0 || len(t.ctts) > 0 || t.entries != 1 {
		return 0, nil
	}
	count, all := map[uint32]int64{}, int64(0)
	for _, r := range t.stts {
		count[r.value] += int64(r.count)
		all += int64(r.count)
		if count[r.value] > count[uint32(ticks)] || ticks == 0 {
			ticks = int64(r.value)
		}
	}
	if all != int64(t.Samples) {
		return 0, nil
	}
	at, left := -t.MediaStart, all
	for _, r := range t.stts {
		for range r.count {
			if int64(r.value) == ticks { // all of the run
				at, left = at+int64(r.count)*ticks, left-int64(r.count)
				break
			}
			at += int64(r.value)
			if left--; left == 0 {
				break
			}
			if len(jumps) == mostJumps || ticks < leastTicks || t.Delayed {
				return 0, nil
			}
			jumps = append(jumps, Jump{PTS: at, Ticks: int64(r.value) - ticks})
		}
	}
	return ticks, jumps
}

// Listed is a sample as the tables list it. Times are in ticks, of the presentation:
// behind the edit list.
type Listed struct {
	DTS, PTS int64
	Duration int64
	Key      bool
}

// Simple reports whether what is shown of the track are its samples as they are
// listed, from the first one shown to the last: one description, keyframes that are
// listed, no edit but one that shows all of it, sizes that the file can have.
func (t *Tables) Simple() bool {
	if t.entries != 1 || !t.keyed || t.keys == 0 || t.grouped || t.Delayed || t.Edits > 1 || t.Samples == 0 || !t.sized() {
		return false
	}
	first, last := int64(math.MaxInt64), int64(math.MinInt64)
	ok := true
	n := 0
	t.Each(func(s Listed) bool {
		first, last = min(first, s.PTS), max(last, s.PTS)
		ok = ok && s.Duration > 0 && s.PTS >= s.DTS
		n++
		return ok
	})
	if !ok || n != t.Samples {
		return false
	}
	return t.Edits == 0 || first == 0 && last < t.Shown
}

// sized reports whether every sample has a size, and all together fit into the file.
func (t *Tables) sized() bool {
	total, sizes := int64(t.uniform)*int64(t.Samples), t.sizes
	if t.uniform == 0 {
		for range t.Samples {
			size := sizes.u32()
			if size == 0 {
				return false
			}
			total += int64(size)
		}
	}
	return total <= t.file
}

// Steady returns how long every sample lasts, 0 if they do not last the same.
func (t *Tables) Steady() int64 {
	for _, r := range t.stts {
		if r.value != t.stts[0].value {
			return 0
		}
	}
	if len(t.stts) == 0 {
		return 0
	}
	return int64(t.stts[0].value)
}

// Reordered reports whether samples are shown in another order than they are decoded.
func (t *Tables) Reordered() bool { return len(t.ctts) > 0 }

// Each calls fn for every sample in decoding order until it returns false. A table
// that ends too early ends it.
func (t *Tables) Each(fn func(Listed) bool) {
	durations, offsets := runReader{runs: t.stts}, runReader{runs: t.ctts}
	stss, left := t.stss, t.keys
	next := uint32(0)
	advance := func() {
		next = 0
		if left > 0 {
			left--
			next = stss.u32()
		}
	}
	advance()
	at := -t.MediaStart
	for i := range t.Samples {
		duration, ok := durations.next()
		if !ok {
			return
		}
		shift, _ := offsets.next()
		s := Listed{DTS: at, PTS: at + int64(int32(shift)), Duration: int64(duration), Key: !t.keyed}
		if next == uint32(i+1) {
			s.Key = true
			advance()
		}
		if !fn(s) {
			return
		}
		at += int64(duration)
	}
}

// ReadHead returns the data of the first samples one after the other: of n at most,
// of no more than limit bytes. False is a file that does not have them where its
// tables say.
func (t *Tables) ReadHead(r io.ReaderAt, n int, limit int64) ([]byte, bool) {
	var out []byte
	chunks, perChunk, sizes := t.chunks, t.perChunk, t.sizes
	var samplesIn, nextFirst, done uint32
	entries := t.stscCount
	advance := func() {
		nextFirst = 0
		if entries > 0 {
			entries--
			nextFirst = perChunk.u32()
		}
	}
	advance()
	for chunk := uint32(1); int(done) < min(n, t.Samples); chunk++ {
		if chunk > t.chunkCount {
			return nil, false
		}
		if chunk == nextFirst {
			samplesIn = perChunk.u32()
			perChunk.u32()
			advance()
		}
		if samplesIn == 0 {
			return nil, false
		}
		at := int64(chunks.uint(t.chunkWidth))
		for k := uint32(0); k < samplesIn && int(done) < min(n, t.Samples); k++ {
			size := int64(t.uniform)
			if size == 0 {
				size = int64(sizes.u32())
			}
			if int64(len(out))+size > limit {
				return out, true
			}
			b := make([]byte, size)
			if at < 0 || readFull(r, b, at) != nil {
				return nil, false
			}
			out = append(out, b...)
			at += size
			done++
		}
	}
	return out, true
}
