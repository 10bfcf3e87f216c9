package plan

import (
	"fmt"
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
		hls := group.Type == "HLS_GROUP_SETTINGS"
		uri, member := settings.OutputGroupSettings.FileGroupSettings.Destination, "/outputGroupSettings/fileGroupSettings/destination"
		if hls {
			uri, member = settings.OutputGroupSettings.HLSGroupSettings.Destination, "/outputGroupSettings/hlsGroupSettings/destination"
		}
		names := facts{start: p.in.JobStart, baseName: p.in.BaseName}
		if hls {
			names.ext = "m3u8"
		} else if len(settings.Outputs) > 0 {
			names.ext = extension(&settings.Outputs[0])
		}
		bucket, base, err := names.destination(uri)
		if err != nil {
			p.problems.add(path+member, "%v", err)
			continue
		}
		group.Bucket = bucket
		if hls {
			group.HLS = &HLS{
				MultivariantKey: base + ".m3u8",
				IntegerDuration: settings.OutputGroupSettings.HLSGroupSettings.ManifestDurationFormat == "INTEGER",
			}
			if len(outputs[gi]) > 0 {
				group.HLS.Ladder = outputs[gi][0].ladder
			}
			claim(path+member, bucket, group.HLS.MultivariantKey)
		}
		for oi := range settings.Outputs {
			o := p.name(&settings.Outputs[oi], outputs[gi][oi], names, base, hls, fmt.Sprintf("%s/outputs/%d", path, oi))
			where := fmt.Sprintf("%s/outputs/%d/nameModifier", path, oi)
			keys := append([]string{o.Key}, o.Segments...)
			if o.Captures != nil {
				keys = o.Captures
			}
			claim(where, bucket, keys...)
			group.Outputs = append(group.Outputs, o)
		}
		out = append(out, group)
	}
	return out
}

// extension returns a file output's extension without its dot.
func extension(o *OutputSettings) string {
	switch {
	case o.VideoDescription != nil && o.VideoDescription.CodecSettings.Codec == "FRAME_CAPTURE":
		return "jpg"
	case o.Extension != "":
		return strings.TrimPrefix(o.Extension, ".")
	}
	return "mp4"
}

// name decides the keys of one output: base, NameModifier, then what its kind
// adds. SegmentModifier stands before the number of a segment only.
func (p *planner) name(o *OutputSettings, planned output, names facts, base string, hls bool, path string) Output {
	out := Output{Container: o.ContainerSettings.Container, Ladder: planned.ladder, Rung: planned.rung, Capture: planned.capture, Audios: planned.audios}
	l := p.ladders[planned.ladder]
	names.output, names.rate = true, l.rate
	if planned.rung >= 0 {
		r := l.rungs[planned.rung]
		names.videoBPS, names.width, names.height = r.rate.videoBPS(), r.width, r.height
	} else {
		f := l.captures[planned.capture].frames[p.followed.input]
		names.width, names.height = f.width, f.height
	}
	for _, a := range planned.audios {
		names.audioBPS += p.audios[a].bitrate
	}
	if !hls {
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
		for i := range l.timeline.Starts {
			out.Segments = append(out.Segments, fmt.Sprintf("%s%s_%05d.ts", base, segment, i+1))
		}
		out.MPEGTS = p.packing(o.ContainerSettings.M3u8Settings, path+"/containerSettings/m3u8Settings")
	default:
		out.Format = FormatMP4
		out.Key = base + "." + names.ext
	}
	return out
}

// packing reads M3u8Settings, with the service's defaults.
func (p *planner) packing(m M3u8Settings, path string) *MPEGTS {
	or := func(v, fallback int64) int { // the API bounds v
		if v == 0 {
			v = fallback
		}
		return int(v)
	}
	ts := &MPEGTS{
		PMTPID: or(m.PmtPid, 480), VideoPID: or(m.VideoPid, 481), AudioPID: 482,
		ProgramNumber: or(m.ProgramNumber, 1), AudioFramesPerPES: or(m.AudioFramesPerPes, 4),
		PTSOffset: 2 * 90_000,
	}
	if len(m.AudioPids) > 0 {
		ts.AudioPID = or(m.AudioPids[0], 482)
	}
	for _, pid := range []struct {
		name   string
		number int
	}{{"pmtPid", ts.PMTPID}, {"videoPid", ts.VideoPID}, {"audioPids/0", ts.AudioPID}} {
		if pid.number < 32 || pid.number > 8182 {
			p.problems.add(path+"/"+pid.name, "Should be between 32 and 8182")
		}
	}
	if ts.PMTPID == ts.VideoPID || ts.PMTPID == ts.AudioPID || ts.VideoPID == ts.AudioPID {
		p.problems.add(path, "pmtPid %d, videoPid %d and audio PID %d have to differ", ts.PMTPID, ts.VideoPID, ts.AudioPID)
	}
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
	return ts
}
