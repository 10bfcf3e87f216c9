package mp4

import (
	"cmp"
	"math"
	"strings"

	"github.com/Eyevinn/mp4ff/avc"
	box "github.com/Eyevinn/mp4ff/mp4"

	"vodwright.dev/vodwright/internal/media"
)

// movieBox builds the movie box with chunk offsets counted from base, in 64 bits when wide.
func movieBox(tracks []*movieTrack, wide bool, base uint64) *box.MoovBox {
	scale := movieTimescale(tracks)
	mvhd := box.CreateMvhd()
	mvhd.Timescale = uint32(scale)
	mvhd.NextTrackID = uint32(len(tracks) + 1)
	moov := box.NewMoovBox()
	moov.AddChild(mvhd)
	for i, t := range tracks {
		length := uint64(media.Rescale(t.presented, media.R(1, t.timescale), media.R(1, scale)))
		mvhd.Duration = max(mvhd.Duration, length)
		moov.AddChild(t.trak(uint32(i+1), length, wide, base))
	}
	mvhd.Version = versionFor(mvhd.Duration)
	return moov
}

// versionFor returns the version of a header box that can hold the duration.
func versionFor(duration uint64) byte {
	if duration > math.MaxUint32 {
		return 1
	}
	return 0
}

func (t *movieTrack) trak(id uint32, length uint64, wide bool, base uint64) *box.TrakBox {
	trak := box.NewTrakBox()
	tkhd := box.CreateTkhd()
	tkhd.Flags = 7 // enabled, in movie, in preview
	if t.alternate {
		tkhd.Flags = 6
	}
	tkhd.Version = versionFor(length)
	tkhd.TrackID = id
	tkhd.Duration = length
	if t.audio != nil {
		tkhd.Volume, tkhd.AlternateGroup = 0x0100, 1
	} else {
		tkhd.Volume = 0
		h, v := t.aspect()
		tkhd.Width = box.Fixed32(min(uint64(t.video.Width)*uint64(h)*65536/uint64(v), math.MaxUint32))
		tkhd.Height = box.Fixed32(uint32(t.video.Height) << 16)
	}
	if t.fragmented {
		tkhd.Duration, tkhd.Version = 0, 0
	}
	trak.AddChild(tkhd)
	if t.editList && !t.fragmented {
		elst := &box.ElstBox{Version: versionFor(length), Entries: []box.ElstEntry{{
			SegmentDuration: length, MediaTime: t.mediaStart, MediaRateInteger: 1,
		}}}
		edts := &box.EdtsBox{}
		edts.AddChild(elst)
		trak.AddChild(edts)
	}

	mdhd := &box.MdhdBox{Timescale: uint32(t.timescale), Duration: uint64(t.length())}
	if t.fragmented {
		mdhd.Duration = 0
	}
	mdhd.Version = versionFor(mdhd.Duration)
	mdhd.SetLanguage(t.language)
	hdlr := &box.HdlrBox{HandlerType: "vide", Name: "VideoHandler"}
	if t.audio != nil {
		hdlr = &box.HdlrBox{HandlerType: "soun", Name: cmp.Or(strings.ReplaceAll(t.name, "\x00", ""), "SoundHandler")}
	}
	minf := box.NewMinfBox()
	if t.audio != nil {
		minf.AddChild(box.CreateSmhd())
	} else {
		minf.AddChild(box.CreateVmhd())
	}
	dinf := &box.DinfBox{}
	dinf.AddChild(box.CreateDref())
	minf.AddChild(dinf)
	minf.AddChild(t.stbl(wide, base))
	mdia := box.NewMdiaBox()
	mdia.AddChild(mdhd)
	mdia.AddChild(hdlr)
	if t.tag != "" {
		mdia.AddChild(box.CreateElng(t.tag))
	}
	mdia.AddChild(minf)
	trak.AddChild(mdia)
	return trak
}

// stbl builds the sample tables.
func (t *movieTrack) stbl(wide bool, base uint64) *box.StblBox {
	stbl := box.NewStblBox()
	stsd := box.NewStsdBox()
	if t.audio != nil {
		stsd.AddChild(t.audioEntry())
	} else {
		stsd.AddChild(t.visualEntry())
	}
	stbl.AddChild(stsd)
	if t.fragmented { // no sample is in the movie box
		stbl.AddChild(&box.SttsBox{})
		stbl.AddChild(&box.StscBox{})
		stbl.AddChild(&box.StszBox{})
		stbl.AddChild(&box.StcoBox{})
		return stbl
	}
	stts := &box.SttsBox{SampleCount: []uint32{uint32(t.count)}, SampleTimeDelta: []uint32{uint32(t.duration)}}
	if t.last != t.duration {
		stts.SampleCount = []uint32{uint32(t.count - 1), 1}
		stts.SampleTimeDelta = append(stts.SampleTimeDelta, uint32(t.last))
	}
	stbl.AddChild(stts)

	sizes := make([]uint32, 0, t.count)
	var keys []uint32
	var counts []uint32
	var offsets []int32
	least, greatest := int64(0), int64(0)
	reorder := int64(0)
	if t.video != nil && !t.shift {
		reorder = t.video.Reorder
	}
	for i := range t.count {
		s := t.sample(i)
		sizes = append(sizes, uint32(s.size))
		if s.key {
			keys = append(keys, uint32(i+1))
		}
		offset := int32((s.shift + reorder) * t.duration)
		least, greatest = min(least, int64(offset)), max(greatest, int64(offset))
		if n := len(offsets); n > 0 && offsets[n-1] == offset {
			counts[n-1]++
		} else {
			offsets, counts = append(offsets, offset), append(counts, 1)
		}
	}
	if t.video != nil && t.video.Reorder > 0 {
		ctts := &box.CttsBox{}
		if t.shift {
			ctts.Version = 1
		}
		_ = ctts.AddSampleCountsAndOffset(counts, offsets) // fails only for slices of unequal length
		stbl.AddChild(ctts)
		if t.shift {
			end := t.count * t.duration
			stbl.AddChild(&box.CslgBox{
				Version:                      cslgVersion(end),
				CompositionToDTSShift:        t.video.Reorder * t.duration,
				LeastDecodeToDisplayDelta:    least,
				GreatestDecodeToDisplayDelta: greatest,
				CompositionEndTime:           end,
			})
		}
	}
	if int64(len(keys)) != t.count {
		stbl.AddChild(&box.StssBox{SampleNumber: keys})
	}

	stsc := &box.StscBox{Entries: []box.StscEntry{{FirstChunk: 1, SamplesPerChunk: uint32(min(t.perChunk, t.count)), FirstSampleNr: 1}}}
	if rest := t.count % t.perChunk; rest != 0 && len(t.chunks) > 1 {
		stsc.Entries = append(stsc.Entries, box.StscEntry{FirstChunk: uint32(len(t.chunks)), SamplesPerChunk: uint32(rest)})
	}
	stsc.SetSingleSampleDescriptionID(1)
	stbl.AddChild(stsc)
	stbl.AddChild(&box.StszBox{SampleNumber: uint32(t.count), SampleSize: sizes})
	if wide {
		co64 := &box.Co64Box{}
		for _, c := range t.chunks {
			co64.ChunkOffset = append(co64.ChunkOffset, base+c)
		}
		stbl.AddChild(co64)
	} else {
		stco := &box.StcoBox{}
		for _, c := range t.chunks {
			stco.ChunkOffset = append(stco.ChunkOffset, uint32(base+c))
		}
		stbl.AddChild(stco)
	}
	if t.audio != nil {
		// An AAC frame decodes right only after the one before it (ISO/IEC 14496-12, 10.1).
		stbl.AddChild(&box.SgpdBox{
			Version: 1, GroupingType: "roll", DefaultLength: 2,
			SampleGroupEntries: []box.SampleGroupEntry{&box.RollSampleGroupEntry{RollDistance: -1}},
		})
		stbl.AddChild(&box.SbgpBox{
			GroupingType: "roll",
			SampleCounts: []uint32{uint32(t.count)}, GroupDescriptionIndices: []uint32{1},
		})
	}
	return stbl
}

func cslgVersion(end int64) byte {
	if end > math.MaxInt32 {
		return 1
	}
	return 0
}

// bitrate builds a btrt box: bytes of the largest sample, bits in the busiest second, and on average.
func (t *movieTrack) bitrate() *box.BtrtBox {
	average := media.Rescale(t.bytes*8, media.R(t.timescale, t.length()), media.R(1, 1))
	return &box.BtrtBox{
		BufferSizeDB: uint32(t.largest),
		MaxBitrate:   uint32(min(max(t.peak, average), math.MaxUint32)),
		AvgBitrate:   uint32(min(average, math.MaxUint32)),
	}
}

func (t *movieTrack) visualEntry() box.Box {
	c := t.video.config
	avcC, err := box.CreateAvcC(c.SPS, c.PPS, true)
	if err != nil {
		// Without what it reads from the SPS the record is still right for Main and below.
		avcC = &box.AvcCBox{DecConfRec: avc.DecConfRec{
			AVCProfileIndication: c.SPS[0][1], ProfileCompatibility: c.SPS[0][2], AVCLevelIndication: c.SPS[0][3],
			SPSnalus: c.SPS, PPSnalus: c.PPS, NoTrailingInfo: true,
		}}
	}
	entry := box.CreateVisualSampleEntryBox("avc1", uint16(t.video.Width), uint16(t.video.Height), avcC)
	entry.CompressorName = ""
	if vui := vui(c.SPS[0]); vui != nil && vui.ColourDescriptionFlag {
		entry.AddChild(&box.ColrBox{
			ColorType:               "nclx",
			ColorPrimaries:          uint16(vui.ColourPrimaries),
			TransferCharacteristics: uint16(vui.TransferCharacteristics),
			MatrixCoefficients:      uint16(vui.MatrixCoefficients),
			FullRangeFlag:           vui.VideoFullRangeFlag,
		})
	}
	h, v := t.aspect()
	entry.AddChild(&box.PaspBox{HSpacing: uint32(h), VSpacing: uint32(v)})
	if !t.fragmented { // an init segment is the same whatever the fragments hold
		entry.AddChild(t.bitrate())
	}
	return entry
}

func (t *movieTrack) audioEntry() box.Box {
	track := t.audio.Track
	rate := uint16(0) // what does not fit is in the AudioSpecificConfig alone
	if track.SampleRate <= math.MaxUint16 {
		rate = uint16(track.SampleRate)
	}
	esds := box.CreateEsdsBox(track.AudioConfig)
	esds.DecConfigDescriptor.BufferSizeDB, esds.DecConfigDescriptor.MaxBitrate, esds.DecConfigDescriptor.AvgBitrate = 0, 0, 0
	var b *box.BtrtBox
	if !t.fragmented {
		b = t.bitrate()
		esds.DecConfigDescriptor.BufferSizeDB = b.BufferSizeDB
		esds.DecConfigDescriptor.MaxBitrate = b.MaxBitrate
		esds.DecConfigDescriptor.AvgBitrate = b.AvgBitrate
	}
	entry := box.CreateAudioSampleEntryBox("mp4a", uint16(track.Channels), 16, rate, esds)
	if b != nil {
		entry.AddChild(b)
	}
	return entry
}

// vui returns the video usability information of a sequence parameter set, nil when it has none.
func vui(sps []byte) *avc.VUIParameters {
	s, err := avc.ParseSPSNALUnit(sps, true)
	if err != nil {
		return nil
	}
	return s.VUI
}

// aspect returns the width and height of a pixel; 1 and 1 when the stream does not say.
func (t *movieTrack) aspect() (h, v uint) {
	if u := vui(t.video.config.SPS[0]); u != nil && u.SampleAspectRatioWidth > 0 && u.SampleAspectRatioHeight > 0 {
		return u.SampleAspectRatioWidth, u.SampleAspectRatioHeight
	}
	return 1, 1
}
