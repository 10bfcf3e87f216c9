package mp4

import (
	"encoding/binary"
	"io"
	"math"
)

// piece is the part of a fragment that one track has.
type piece struct {
	samples   int64
	timed     bool     // its samples last some time
	durations [][]byte // 32 bits each, where the fragment itself says how long samples last
	begins    []byte   // baseMediaDecodeTime; nil without
	start     int64
}

// mostUntimed is how many fragments are looked at to find one whose samples last some time.
const mostUntimed = 16

// fragments gives samples that last no time in any fragment of a track an even time:
// from where a fragment begins to where the next one does, or a share of the track's
// length. It returns what is to be written over the fragments.
func (m *movieMender) fragments(r io.ReaderAt, boxes []topBox) []Patch {
	_ = eachBox(m.movie["mvex"], func(kind string, body []byte) error {
		c := cursor{b: body}
		c.full()
		t := m.tracks[c.u32()]
		if c.u32(); kind == "trex" && t != nil && len(c.b) >= 4 {
			t.trex = c.b[:4]
		}
		return nil
	})
	type fragment struct {
		body   []byte
		offset int64
	}
	var all []fragment
	pieces := map[*trackMender][]piece{}
	timed := map[*trackMender]bool{}
	size := int64(0)
	for _, box := range boxes {
		if box.kind != "moof" {
			continue
		}
		if size += box.end - box.body; size > maxMoov {
			return nil
		}
		body, err := readBody(r, box, maxMoof)
		if err != nil {
			break
		}
		all = append(all, fragment{body, box.body})
		_ = eachBox(body, func(kind string, body []byte) error {
			if kind == "traf" {
				if t, p := m.piece(body); t != nil {
					pieces[t] = append(pieces[t], p)
					timed[t] = timed[t] || p.timed
				}
			}
			return nil
		})
		untimed := false
		for t := range pieces {
			untimed = untimed || !timed[t]
		}
		if !untimed && (len(pieces) == len(m.tracks) || len(all) >= mostUntimed) {
			break // as nearly all files
		}
	}
	changed := false
	for t, list := range pieces {
		changed = !timed[t] && m.spread(t, list) || changed
	}
	if !changed {
		return nil
	}
	m.found.Untimed = true
	var out []Patch
	for _, f := range all {
		out = append(out, Patch{Offset: f.offset, Data: f.body})
	}
	return out
}

// spread gives each of a track's pieces a time, and reports whether it could.
func (m *movieMender) spread(t *trackMender, list []piece) bool {
	total, steps := int64(0), false
	for i, p := range list {
		total += p.samples
		steps = steps || i > 0 && p.start != list[0].start
	}
	usual := int64(0) // ticks of a sample
	if steps {
		if last := list[len(list)-1]; total > last.samples {
			usual = (last.start - list[0].start) / (total - last.samples)
		}
	} else if total > 1 && t.length >= total {
		usual = t.length / total
	}
	if usual <= 0 || usual > math.MaxInt32 {
		return false
	}
	if off := usual - FrameSamples; t.sound && off > -FrameSamples/20 && off < FrameSamples/20 {
		usual = FrameSamples // of AAC
	}
	at := list[0].start
	for i, p := range list {
		each := usual
		if next := i + 1; steps && !t.sound && next < len(list) && p.samples > 0 {
			if d := (list[next].start - p.start) / p.samples; d > 0 && d < math.MaxInt32 {
				each = d
			}
		}
		for _, d := range p.durations {
			binary.BigEndian.PutUint32(d, uint32(each))
		}
		if !steps && p.begins != nil {
			if len(p.begins) == 8 {
				binary.BigEndian.PutUint64(p.begins, uint64(at))
			} else {
				binary.BigEndian.PutUint32(p.begins, uint32(at))
			}
		}
		at += each * p.samples
	}
	if t.trex != nil {
		binary.BigEndian.PutUint32(t.trex, uint32(usual))
		m.changed = true
	}
	return true
}

// piece reads a traf box.
func (m *movieMender) piece(traf []byte) (*trackMender, piece) {
	var t *trackMender
	var p piece
	var usual []byte // the default duration
	_ = eachBox(traf, func(kind string, body []byte) error {
		c := cursor{b: body}
		version, flags := c.full()
		switch kind {
		case "tfhd":
			if t = m.tracks[c.u32()]; t == nil {
				return nil
			}
			usual = t.trex
			if flags&0x1 != 0 { // base-data-offset
				c.take(8)
			}
			if flags&0x2 != 0 { // sample-description-index
				c.take(4)
			}
			if flags&0x8 != 0 && len(c.b) >= 4 {
				usual = c.b[:4]
				p.durations = append(p.durations, usual)
			}
		case "tfdt":
			width := 4
			if version == 1 {
				width = 8
			}
			if p.begins = c.take(width); p.begins != nil {
				at := cursor{b: p.begins}
				p.start = int64(at.uint(width) & (1<<62 - 1))
			}
		case "trun":
			n := c.u32()
			p.samples += int64(n)
			if flags&0x1 != 0 { // data-offset
				c.take(4)
			}
			if flags&0x4 != 0 { // first-sample-flags
				c.take(4)
			}
			if flags&0x100 == 0 {
				c = cursor{b: usual}
				p.timed = p.timed || len(usual) < 4 || c.u32() != 0
				return nil
			}
			width := 4
			for _, f := range []uint32{0x200, 0x400, 0x800} { // size, flags, composition
				if flags&f != 0 {
					width += 4
				}
			}
			if c.table("trun", n, width) != nil {
				t = nil
				return nil
			}
			for range n {
				entry := c.take(width)
				p.timed = p.timed || binary.BigEndian.Uint32(entry) != 0
				p.durations = append(p.durations, entry[:4])
			}
		}
		return nil
	})
	return t, p
}
