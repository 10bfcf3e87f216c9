package mp4

import (
	"encoding/binary"
	"io"
)

// ReadTrack reads the tables of an MP4 file of size bytes with exactly one H.264
// or AAC-LC track; tracks of other handlers (text, data, timecode) are passed
// over. Plain, fragmented and hybrid files are read alike. Only headers are read.
//
// Errors: fault.Invalid for a malformed, truncated or unsupported file; an error
// of r as it is.
func ReadTrack(r io.ReaderAt, size int64) (*Track, error) { return readTrack(r, size, onlyTrack) }

// onlyTrack stands for the number of a file's one media track.
const onlyTrack = -1

// readTrack is ReadTrack of track number n of any kinds, from 0.
func readTrack(r io.ReaderAt, size int64, n int) (*Track, error) {
	boxes, err := topBoxes(r, size)
	if err != nil {
		return nil, err
	}
	t := &trackReader{file: size, track: &Track{Data: r}, number: n}
	seen := false
	for _, box := range boxes {
		switch box.kind {
		case "moov":
			if seen {
				return nil, malformed("two moov boxes")
			}
			seen = true
			body, err := readBody(r, box, maxMoov)
			if err != nil {
				return nil, err
			}
			if err := t.moov(body); err != nil {
				return nil, err
			}
		case "moof":
			if !seen {
				return nil, malformed("a fragment before the moov box")
			}
			body, err := readBody(r, box, maxMoof)
			if err != nil {
				return nil, err
			}
			if err := t.moof(body, box.offset); err != nil {
				return nil, err
			}
		}
	}
	if !seen {
		return nil, malformed("no moov box: the file is not an MP4 or was not finished")
	}
	if len(t.track.Samples) == 0 {
		return nil, malformed("the track has no samples")
	}
	return t.track, nil
}

// ReadGrowing is ReadTrack of a fragmented file that is still being written: of what
// of it is whole. Nil is a file of which nothing is.
func ReadGrowing(r io.ReaderAt, size int64) (*Track, error) {
	end, at, begun := int64(0), int64(0), false
	var head [16]byte
	for at+int64(len(head)) <= size {
		if err := readFull(r, head[:], at); err != nil {
			return nil, err
		}
		length := int64(binary.BigEndian.Uint32(head[:]))
		if length == 1 {
			length = int64(binary.BigEndian.Uint64(head[8:]))
		}
		if length < 8 || length > size-at {
			break
		}
		at += length
		switch string(head[4:8]) {
		case "moof", "free":
		case "mdat":
			begun, end = true, at
		default:
			end = at
		}
	}
	if !begun {
		return nil, nil
	}
	return ReadTrack(r, end)
}

// trackReader gathers the one track of a file.
type trackReader struct {
	track  *Track
	number int    // of the track in the file; onlyTrack
	file   int64  // bytes in the file
	id     uint32 // track_ID
	used   int64  // bytes that samples claim so far; never more than file
	next   int64  // DTS that the next fragment starts at when it has no tfdt
	trex   fragmentDefaults
}

// add appends one sample after checking it against the file.
func (t *trackReader) add(s Sample, size uint32) error {
	n := int64(size)
	t.used += n
	switch {
	case n == 0:
		return malformed("sample %d is empty", len(t.track.Samples))
	case t.used > t.file || s.Offset < 0 || s.Offset > t.file-n || n > 1<<31-1:
		return malformed("sample %d lies outside the file", len(t.track.Samples))
	case len(t.track.Samples) == maxSamples:
		return malformed("more than %d samples", maxSamples)
	}
	s.Size = int32(n)
	s.Key = s.Key || t.track.Kind == AudioAAC
	t.track.Samples = append(t.track.Samples, s)
	return nil
}

func (t *trackReader) moov(b []byte) error {
	var traks, trexs [][]byte
	err := eachBox(b, func(kind string, body []byte) error {
		switch kind {
		case "trak":
			traks = append(traks, body)
		case "mvex":
			return eachBox(body, func(kind string, body []byte) error {
				if kind == "trex" {
					trexs = append(trexs, body)
				}
				return nil
			})
		}
		return nil
	})
	if err != nil {
		return err
	}
	found := false
	for i, trak := range traks {
		if t.number != onlyTrack && i != t.number {
			continue
		}
		media, err := t.trak(trak)
		if err != nil {
			return err
		}
		if media && found {
			return malformed("more than one media track")
		}
		found = found || media
	}
	if !found {
		return malformed("no video or audio track")
	}
	for _, trex := range trexs {
		c := cursor{b: trex}
		c.full()
		id := c.u32()
		c.u32() // default_sample_description_index
		d := fragmentDefaults{duration: c.u32(), size: c.u32(), flags: c.u32()}
		if err := c.err("trex"); err != nil {
			return err
		}
		if id == t.id {
			t.trex = d
		}
	}
	return nil
}

// trak reads a track and reports whether it is a media track.
func (t *trackReader) trak(b []byte) (media bool, err error) {
	var tkhd, elst, mdhd, hdlr, stbl []byte
	err = eachBox(b, func(kind string, body []byte) error {
		switch kind {
		case "tkhd":
			tkhd = body
		case "edts":
			return eachBox(body, func(kind string, body []byte) error {
				if kind == "elst" {
					elst = body
				}
				return nil
			})
		case "mdia":
			return eachBox(body, func(kind string, body []byte) error {
				switch kind {
				case "mdhd":
					mdhd = body
				case "hdlr":
					hdlr = body
				case "minf":
					return eachBox(body, func(kind string, body []byte) error {
						if kind == "stbl" {
							stbl = body
						}
						return nil
					})
				}
				return nil
			})
		}
		return nil
	})
	if err != nil {
		return false, err
	}

	c := cursor{b: hdlr}
	c.take(8) // version, flags, pre_defined
	handler := string(c.take(4))
	if err := c.err("hdlr"); err != nil {
		return false, err
	}
	if handler != "vide" && handler != "soun" {
		return false, nil
	}
	if t.id != 0 {
		return true, nil // the caller refuses a second one
	}

	c = cursor{b: tkhd}
	if version, _ := c.full(); version == 1 {
		c.take(16)
	} else {
		c.take(8)
	}
	if t.id = c.u32(); c.short || t.id == 0 {
		return false, malformed("the track has no track header")
	}

	c = cursor{b: mdhd}
	if version, _ := c.full(); version == 1 {
		c.take(16)
	} else {
		c.take(8)
	}
	if t.track.Timescale = int64(c.u32()); c.short || t.track.Timescale == 0 {
		return false, malformed("the track has no time scale")
	}
	if err := t.elst(elst); err != nil {
		return false, err
	}
	return true, t.stbl(stbl, handler)
}

// elst finds where the edit list enters the media. Empty edits (media_time -1)
// delay a track against others of the same file; chunks have only one.
func (t *trackReader) elst(b []byte) error {
	if b == nil {
		return nil
	}
	c := cursor{b: b}
	version, _ := c.full()
	entries, size := c.u32(), 12
	if version == 1 {
		size = 20
	}
	if err := c.table("elst", entries, size); err != nil {
		return err
	}
	for range entries {
		var start int64
		if version == 1 {
			c.u64()
			start = int64(c.u64())
		} else {
			c.u32()
			start = int64(int32(c.u32()))
		}
		c.u32() // media_rate
		if start >= 0 {
			t.track.MediaStart = start
			return nil
		}
	}
	return nil
}

// stbl reads the sample entry and the samples that the movie box lists itself.
func (t *trackReader) stbl(b []byte, handler string) error {
	tables := map[string][]byte{}
	err := eachBox(b, func(kind string, body []byte) error {
		tables[kind] = body
		return nil
	})
	if err != nil {
		return err
	}
	if err := t.stsd(tables["stsd"], handler); err != nil {
		return err
	}
	return t.samples(tables)
}

// run is a run-length entry of stts and ctts.
type run struct{ count, value uint32 }

// runs reads stts or ctts. An absent box has no runs.
func runs(box string, b []byte) ([]run, error) {
	if b == nil {
		return nil, nil
	}
	c := cursor{b: b}
	c.full()
	n := c.u32()
	if err := c.table(box, n, 8); err != nil {
		return nil, err
	}
	out := make([]run, n)
	for i := range out {
		out[i] = run{c.u32(), c.u32()}
	}
	return out, nil
}

// runReader walks runs one sample at a time; past the end it repeats zero.
type runReader struct {
	runs []run
	used uint32
}

func (r *runReader) next() (uint32, bool) {
	for len(r.runs) > 0 && r.used >= r.runs[0].count {
		r.runs, r.used = r.runs[1:], 0
	}
	if len(r.runs) == 0 {
		return 0, false
	}
	r.used++
	return r.runs[0].value, true
}

// samples expands stsz, stsc, stco or co64, stts, ctts and stss (ISO/IEC 14496-12, 8.5–8.7).
func (t *trackReader) samples(tables map[string][]byte) error {
	c := cursor{b: tables["stsz"]}
	c.full()
	uniform, count := c.u32(), c.u32()
	if tables["stsz"] == nil || c.short {
		if _, compact := tables["stz2"]; compact {
			return malformed("compact sample sizes (stz2) are not supported")
		}
		return malformed("the track has no sample sizes")
	}
	if uniform == 0 {
		if err := c.table("stsz", count, 4); err != nil {
			return err
		}
	}
	if count == 0 {
		return nil // every sample is in a fragment
	}
	sizes := c

	chunks, width, box := cursor{b: tables["stco"]}, 4, "stco"
	if tables["stco"] == nil {
		chunks, width, box = cursor{b: tables["co64"]}, 8, "co64"
	}
	chunks.full()
	chunkCount := chunks.u32()
	if err := chunks.table(box, chunkCount, width); err != nil {
		return err
	}

	perChunk := cursor{b: tables["stsc"]}
	perChunk.full()
	entries := perChunk.u32()
	if err := perChunk.table("stsc", entries, 12); err != nil {
		return err
	}

	stts, err := runs("stts", tables["stts"])
	if err != nil {
		return err
	}
	ctts, err := runs("ctts", tables["ctts"])
	if err != nil {
		return err
	}
	durations, offsets := runReader{runs: stts}, runReader{runs: ctts}

	stss, allKey := cursor{b: tables["stss"]}, tables["stss"] == nil
	var nextKey uint32
	if !allKey {
		stss.full()
		n := stss.u32()
		if err := stss.table("stss", n, 4); err != nil {
			return err
		}
		stss.b = stss.b[:n*4]
		nextKey = stss.u32()
	}

	var samplesIn, nextFirst uint32
	advance := func() {
		nextFirst = 0
		if entries > 0 {
			entries--
			nextFirst = perChunk.u32()
		}
	}
	advance()
	for chunk, done := uint32(1), uint32(0); done < count; chunk++ {
		if chunk > chunkCount {
			return malformed("%d samples of %d have no chunk", count-done, count)
		}
		if chunk == nextFirst {
			samplesIn = perChunk.u32()
			if entry := perChunk.u32(); entry != 1 {
				return malformed("more than one sample entry is in use")
			}
			advance()
		}
		if samplesIn == 0 {
			return malformed("chunk %d has no samples", chunk)
		}
		at := int64(chunks.uint(width))
		for n := uint32(0); n < samplesIn && done < count; n++ {
			done++
			size := uniform
			if uniform == 0 {
				size = sizes.u32()
			}
			key := allKey
			if !allKey && done == nextKey {
				key, nextKey = true, stss.u32()
			}
			shift, _ := offsets.next()
			if err := t.add(Sample{Offset: at, DTS: t.next, PTS: t.next + int64(int32(shift)), Key: key}, size); err != nil {
				return err
			}
			at += int64(size)
			duration, ok := durations.next()
			if !ok {
				return malformed("sample %d has no duration", done)
			}
			t.next += int64(duration)
		}
	}
	return nil
}
