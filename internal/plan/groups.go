package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"vodwright.dev/vodwright/internal/limit"
)

// groups names every object that the job will publish.
func (p *planner) groups(outputs [][]output) []OutputGroup {
	taken := map[string]string{} // bucket/key → who writes it
	// claim takes the keys of one writer and tells what is wrong with the first bad one.
	claim := func(path, bucket string, keys ...string) {
		for _, key := range keys {
			name := bucket + "/" + key
			by, clash := taken[name]
			switch err := checkKey(key); {
			case err != nil:
				p.problems.add(path, "%v", err)
			case clash:
				p.problems.add(path, "%s is written by %s too: give each output a nameModifier of its own", key, by)
			case len(taken) >= int(p.in.Limits.Objects):
				p.problems.add(path, "the job would write more than the %d objects that are allowed (%s)", p.in.Limits.Objects, limit.Objects.Hint())
			default:
				taken[name] = path
				continue
			}
			return
		}
	}
	var out []OutputGroup
	for gi := range p.settings.OutputGroups {
		settings := &p.settings.OutputGroups[gi]
		path := fmt.Sprintf("/outputGroups/%d", gi)
		group := OutputGroup{Type: settings.OutputGroupSettings.Type}
		uri, member := settings.destination()
		groupSettings := path + "/outputGroupSettings/" + member
		names := facts{start: p.in.JobStart, baseName: p.in.BaseName, dash: group.Type == "DASH_ISO_GROUP_SETTINGS"}
		fragmented := group.Type == "CMAF_GROUP_SETTINGS" || names.dash
		if group.Type == "HLS_GROUP_SETTINGS" || fragmented {
			names.ext = "m3u8"
			if names.dash {
				names.ext = "mpd"
			}
		} else if len(settings.Outputs) > 0 {
			names.ext = extension(&settings.Outputs[0])
		}
		bucket, base, err := names.destination(uri)
		if err != nil {
			p.problems.add(groupSettings+"/destination", "%v", err)
			continue
		}
		group.Bucket = bucket
		switch group.Type {
		case "HLS_GROUP_SETTINGS":
			group.HLS = p.hls(settings, names, base, path)
		case "CMAF_GROUP_SETTINGS":
			group.HLS, group.DASH = p.cmaf(settings, names, base, path)
		case "DASH_ISO_GROUP_SETTINGS":
			group.DASH = p.dash(settings, names, base, path)
		}
		claimTop := func(key string, additional []Additional) {
			if key != "" {
				claim(groupSettings+"/destination", bucket, key)
			}
			for i, a := range additional {
				claim(fmt.Sprintf("%s/additionalManifests/%d", groupSettings, i), bucket, a.Key)
			}
		}
		if h := group.HLS; h != nil {
			if len(outputs[gi]) > 0 {
				h.Ladder = outputs[gi][0].ladder
			}
			claimTop(h.MultivariantKey, h.Additional)
		}
		if d := group.DASH; d != nil {
			claimTop(d.Key, d.Additional)
		}
		var of []int // the output of the settings that each output is of
		for oi := range settings.Outputs {
			parts := []output{outputs[gi][oi]}
			if fragmented {
				parts = parts[0].tracks()
			}
			for pi, part := range parts {
				o := p.name(&settings.Outputs[oi], outputs[gi][oi], part, pi, names, base, settings, fmt.Sprintf("%s/outputs/%d", path, oi))
				if fragmented {
					o.Part = pi
				}
				of = append(of, oi)
				group.Outputs = append(group.Outputs, o)
			}
		}
		for i := range group.Outputs {
			o := &group.Outputs[i]
			where := fmt.Sprintf("%s/outputs/%d/nameModifier", path, of[i])
			keys := o.Segments
			if o.Key != "" && !slices.Contains(keys, o.Key) {
				keys = append([]string{o.Key}, keys...)
			}
			if o.Captures != nil {
				keys = o.Captures
			}
			if o.Fragments != nil && o.Fragments.Init != "" {
				keys = append(keys, o.Fragments.Init)
			}
			if o.IFrames != nil {
				keys = append(keys, o.IFrames.Key)
				if o.IFrames.Segment != "" { // how many there will be is the encoder's business
					keys = append(keys, o.IFrames.Segment)
				}
			}
			for _, key := range o.LoudnessLogs {
				if key != "" {
					keys = append(keys, key)
				}
			}
			claim(where, bucket, keys...)
		}
		if group.HLS != nil {
			p.renditions(settings, &group, of, path)
			group.HLS.Additional = partsOf(group.HLS.Additional, of)
		}
		if group.DASH != nil {
			p.adaptationSets(settings, &group, of)
			group.DASH.Additional = partsOf(group.DASH.Additional, of)
		}
		out = append(out, group)
	}
	return out
}

// partsOf replaces outputs of the settings by what they have become.
func partsOf(additional []Additional, of []int) []Additional {
	for i, a := range additional {
		var all []int
		for at, oi := range of {
			if slices.Contains(a.Outputs, oi) {
				all = append(all, at)
			}
		}
		additional[i].Outputs = all
	}
	return additional
}

// extension returns a file output's extension without its dot.
func extension(o *OutputSettings) string {
	switch {
	case o.VideoDescription != nil && o.VideoDescription.CodecSettings.Codec == "FRAME_CAPTURE":
		return "jpg"
	case o.Extension != "":
		return strings.TrimPrefix(o.Extension, ".")
	case o.ContainerSettings.Container == "RAW":
		return "aac"
	case o.ContainerSettings.Container == "M2TS":
		return "m2ts"
	}
	return "mp4"
}

// name decides the keys of one output: base, NameModifier, then what its kind
// adds. SegmentModifier stands before the number of a segment only. whole is what
// planned may be a track of; format identifiers tell of it.
func (p *planner) name(o *OutputSettings, whole, planned output, part int, names facts, base string, group *GroupSettings, path string) Output {
	out := Output{Container: o.ContainerSettings.Container, Ladder: planned.ladder, Rung: planned.rung, Capture: planned.capture, Audios: planned.audios, AudioNames: planned.names}
	l := p.ladders[planned.ladder]
	names.output, names.rate = true, l.rate
	if whole.rung >= 0 {
		r := l.rungs[whole.rung]
		names.videoBPS, names.width, names.height = r.rate.videoBPS(), r.width, r.height
	} else if planned.capture >= 0 {
		f := l.captures[planned.capture].frames[p.followed.input]
		names.width, names.height = f.width, f.height
	}
	for _, a := range whole.audios {
		names.audioBPS += p.audios[a].bitrate
	}
	hls := group.OutputGroupSettings.Type == "HLS_GROUP_SETTINGS"
	cut, _ := group.segments()
	if cut == nil {
		names.ext = extension(o)
	}
	modifier, err := names.expand(o.NameModifier)
	if err != nil {
		p.problems.add(path+"/nameModifier", "%v", err)
	}
	base += modifier
	switch {
	case planned.capture >= 0:
		out.Container, out.Format = "RAW", FormatJPEG
		for i := range l.captures[planned.capture].list(l.timeline.Frames) {
			out.Captures = append(out.Captures, fmt.Sprintf("%s.%07d.jpg", base, i))
		}
		out.Key = out.Captures[len(out.Captures)-1]
	case hls:
		out.Container, out.Format = "M3U8", FormatTS
		out.Key = base + ".m3u8"
		segment, err := names.expand(o.OutputSettings.HLSSettings.SegmentModifier)
		if err != nil {
			p.problems.add(path+"/outputSettings/hlsSettings/segmentModifier", "%v", err)
		}
		settings := &group.OutputGroupSettings.HLSGroupSettings
		if settings.OutputSelection == "SEGMENTS_ONLY" {
			out.Key = ""
		}
		ext := ".ts"
		if o.VideoDescription == nil && o.OutputSettings.HLSSettings.AudioOnlyContainer != "M2TS" {
			out.Format, ext = FormatAAC, ".aac"
			if len(planned.audios) > 1 {
				p.problems.add(path+"/outputSettings/hlsSettings/audioOnlyContainer", "packed audio is one track, not %d: use M2TS, or an output for each", len(planned.audios))
			}
		}
		out.Segments = segmentKeys(settings, base, segment, ext, len(l.timeline.Starts))
		out.MPEGTS = p.packing(o.ContainerSettings.M3u8Settings, settings.TimestampDeltaMilliseconds, len(planned.audios), path+"/containerSettings/m3u8Settings")
		if planned.rung >= 0 {
			out.IFrames = p.iFrames(o.OutputSettings.HLSSettings.IFrameOnlyManifest, settings, base, path+"/outputSettings/hlsSettings/iFrameOnlyManifest")
		}
	case cut != nil:
		base = p.nameFragments(&out, group, o, base, part, len(whole.tracks()), path)
	case o.ContainerSettings.Container == "RAW":
		out.Format = FormatADTS
		out.Key = base + "." + names.ext
		if len(planned.audios) > 1 {
			p.problems.add(path+"/audioDescriptions", "a raw file is one track, not %d", len(planned.audios))
		}
	case o.ContainerSettings.Container == "M2TS":
		out.Format = FormatTS
		out.Key = base + "." + names.ext
		out.Segments = []string{out.Key}
		m := o.ContainerSettings.M2tsSettings
		usual := int64(fileTables)
		m.PatInterval, m.PmtInterval = cmp.Or(m.PatInterval, &usual), cmp.Or(m.PmtInterval, &usual)
		out.MPEGTS = p.packing(m, 0, len(planned.audios), path+"/containerSettings/m2tsSettings")
	default:
		out.Format = FormatMP4
		out.Key = base + "." + names.ext
		m := &o.ContainerSettings.MP4Settings
		out.Movie = &Movie{EditList: m.CslgAtom == "EXCLUDE", IndexLast: m.MoovPlacement == "NORMAL", FreeSpace: m.FreeSpaceBox == "INCLUDE", Brand: m.MajorBrand}
		if m.MajorBrand != "" && !fourCharacters(m.MajorBrand) {
			p.problems.add(path+"/containerSettings/mp4Settings/mp4MajorBrand", "%q is not four characters", m.MajorBrand)
		}
	}
	for i, a := range planned.audios {
		key := ""
		if l := p.audios[a].loudness; l.log {
			key = base + "_loudness.csv"
			if i > 0 {
				key = fmt.Sprintf("%s_loudness_%d.csv", base, i+1)
			}
		}
		out.LoudnessLogs = append(out.LoudnessLogs, key)
	}
	if !slices.ContainsFunc(out.LoudnessLogs, func(key string) bool { return key != "" }) {
		out.LoudnessLogs = nil
	}
	return out
}

// fileTables is how often tables stand in a file that is a transport stream, in
// milliseconds: who enters it in the middle waits for them.
const fileTables = 100

// fourCharacters reports whether s can be a brand (ISO/IEC 14496-12, 4.3).
func fourCharacters(s string) bool {
	return len(s) == 4 && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// segmentKeys names the segments of an HLS output: beside its playlist, in a
// folder of its name (SUBDIRECTORY_PER_STREAM), in numbered folders of some
// segments each (SegmentsPerSubdirectory), or in one file.
func segmentKeys(s *HLSGroupSettings, base, modifier, ext string, n int) []string {
	folder, name := "", base
	if slash := strings.LastIndexByte(base, '/'); slash >= 0 {
		folder, name = base[:slash+1], base[slash+1:]
	}
	if s.DirectoryStructure == "SUBDIRECTORY_PER_STREAM" {
		folder += name + "/"
	}
	if s.SegmentControl == "SINGLE_FILE" {
		return []string{folder + name + modifier + ext}
	}
	out := make([]string, n)
	for i := range out {
		in := folder
		if per := s.SegmentsPerSubdirectory; per > 0 {
			in += fmt.Sprintf("%05d/", int64(i)/per+1)
		}
		out[i] = fmt.Sprintf("%s%s%s_%05d%s", in, name, modifier, i+1, ext)
	}
	return out
}

// iFrames names the playlist of an output's I-frames.
func (p *planner) iFrames(manifest string, s *HLSGroupSettings, base, path string) *IFrames {
	out := &IFrames{Key: base + "_I-Frame.m3u8"}
	switch manifest {
	case "", "EXCLUDE":
		return nil
	case "INCLUDE":
		if s.Encryption != nil {
			p.problems.add(path, "INCLUDE is not possible in encrypted segments, which have no parts that can be read alone: use INCLUDE_AS_TS")
		}
	case "INCLUDE_AS_TS":
		name := strings.ReplaceAll(base, "%", "%%")
		out.Segment = name + "_I-Frame_%05d.ts"
	default:
		p.problems.add(path, "%s is not supported", manifest)
	}
	if s.OutputSelection == "SEGMENTS_ONLY" {
		p.problems.add(path, "%s does not belong to outputSelection SEGMENTS_ONLY", manifest)
	}
	return out
}

// packing reads M3u8Settings, with the service's defaults.
func (p *planner) packing(m M3u8Settings, deltaMilliseconds int64, audios int, path string) *MPEGTS {
	or := func(v, fallback int64) int { // the API bounds v
		if v == 0 {
			v = fallback
		}
		return int(v)
	}
	ts := &MPEGTS{
		PMTPID: or(m.PmtPid, 480), VideoPID: or(m.VideoPid, 481),
		ProgramNumber: or(m.ProgramNumber, 1), AudioFramesPerPES: or(m.AudioFramesPerPes, 4),
		PTSOffset: 2 * 90_000, TransportStreamID: 1,
	}
	if m.TransportStreamID != nil {
		ts.TransportStreamID = int(*m.TransportStreamID)
	}
	if m.PatInterval != nil {
		ts.PATInterval = max(*m.PatInterval, 0)
	}
	if m.PmtInterval != nil {
		ts.PMTInterval = max(*m.PmtInterval, 0)
	}
	ts.AudioPIDs = p.audioPIDs(m, ts, audios, path)
	if ts.ProgramNumber < 1 || ts.ProgramNumber > 65535 {
		p.problems.add(path+"/programNumber", "Should be between 1 and 65535")
	}
	if ts.AudioFramesPerPES < 1 || ts.AudioFramesPerPES > 64 {
		p.problems.add(path+"/audioFramesPerPes", "Should be between 1 and 64")
	}
	if m.PtsOffset != nil {
		switch m.PtsOffsetMode {
		case "SECONDS":
			ts.PTSOffset = *m.PtsOffset * 90_000
		case "MILLISECONDS":
			ts.PTSOffset = *m.PtsOffset * 90
		}
	}
	if ts.PTSOffset += deltaMilliseconds * 90; ts.PTSOffset < 0 {
		p.problems.add(path+"/ptsOffset", "timestampDeltaMilliseconds moves the first timestamp to before zero")
	}
	return ts
}
