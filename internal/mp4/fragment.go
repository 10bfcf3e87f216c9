package mp4

// fragmentDefaults are what a run's samples have unless the run says otherwise (trex, tfhd).
type fragmentDefaults struct{ duration, size, flags uint32 }

// Flags of tfhd and trun (ISO/IEC 14496-12, 8.8.7 and 8.8.8).
const (
	tfhdBaseDataOffset   = 0x000001
	tfhdDescriptionIndex = 0x000002
	tfhdDefaultDuration  = 0x000008
	tfhdDefaultSize      = 0x000010
	tfhdDefaultFlags     = 0x000020

	trunDataOffset       = 0x000001
	trunFirstSampleFlags = 0x000004
	trunDuration         = 0x000100
	trunSize             = 0x000200
	trunFlags            = 0x000400
	trunCompositionShift = 0x000800

	sampleIsNonSync = 0x00010000
)

// moof reads one movie fragment that starts at offset. Without an explicit base,
// data offsets count from the start of the fragment; that is what
// default-base-is-moof says, and what the first track of a fragment has anyway.
func (t *trackReader) moof(b []byte, offset int64) error {
	return eachBox(b, func(kind string, body []byte) error {
		if kind != "traf" {
			return nil
		}
		return t.traf(body, offset)
	})
}

func (t *trackReader) traf(b []byte, moof int64) error {
	defaults, base, mine := t.trex, moof, false
	at := base // where the next run's data starts
	return eachBox(b, func(kind string, body []byte) error {
		c := cursor{b: body}
		switch kind {
		case "tfhd":
			_, flags := c.full()
			if mine = c.u32() == t.id; !mine {
				return nil
			}
			if flags&tfhdBaseDataOffset != 0 {
				base = int64(c.u64())
			}
			if flags&tfhdDescriptionIndex != 0 && c.u32() != 1 {
				return malformed("more than one sample entry is in use")
			}
			if flags&tfhdDefaultDuration != 0 {
				defaults.duration = c.u32()
			}
			if flags&tfhdDefaultSize != 0 {
				defaults.size = c.u32()
			}
			if flags&tfhdDefaultFlags != 0 {
				defaults.flags = c.u32()
			}
			at = base
			return c.err(kind)
		case "tfdt":
			if !mine {
				return nil
			}
			version, _ := c.full()
			var start uint64
			if version == 1 {
				start = c.u64()
			} else {
				start = uint64(c.u32())
			}
			if start > 1<<62 {
				return malformed("a fragment starts at time %d", start)
			}
			t.next = int64(start)
			return c.err(kind)
		case "trun":
			if !mine {
				return nil
			}
			end, err := t.trun(&c, defaults, base, at)
			at = end
			return err
		}
		return nil
	})
}

// trun reads one run of samples and returns where its data ends. Every sample
// takes at least a byte of the file, which bounds a count that no table backs.
func (t *trackReader) trun(c *cursor, d fragmentDefaults, base, at int64) (end int64, err error) {
	_, flags := c.full()
	count := c.u32()
	if flags&trunDataOffset != 0 {
		at = base + int64(int32(c.u32()))
	}
	first, hasFirst := uint32(0), flags&trunFirstSampleFlags != 0
	if hasFirst {
		first = c.u32()
	}
	width := 0
	for _, f := range []uint32{trunDuration, trunSize, trunFlags, trunCompositionShift} {
		if flags&f != 0 {
			width += 4
		}
	}
	if width > 0 {
		if err := c.table("trun", count, width); err != nil {
			return 0, err
		}
	}
	if err := c.err("trun"); err != nil {
		return 0, err
	}
	for i := range count {
		s := d
		if flags&trunDuration != 0 {
			s.duration = c.u32()
		}
		if flags&trunSize != 0 {
			s.size = c.u32()
		}
		if flags&trunFlags != 0 {
			s.flags = c.u32()
		} else if i == 0 && hasFirst {
			s.flags = first
		}
		shift := int32(0)
		if flags&trunCompositionShift != 0 {
			shift = int32(c.u32()) // version 0 is unsigned, yet encoders write negative shifts in it too
		}
		sample := Sample{Offset: at, DTS: t.next, PTS: t.next + int64(shift), Key: s.flags&sampleIsNonSync == 0}
		if err := t.add(sample, s.size); err != nil {
			return 0, err
		}
		at += int64(s.size)
		t.next += int64(s.duration)
	}
	return at, nil
}
