package plan

import (
	"fmt"
	"slices"
	"strconv"

	"vodwright.dev/vodwright/internal/media"
)

// Copied says where the frames of a rung are that is the source's own video.
type Copied struct {
	File  int `json:"file"`  // of Plan.Files
	Track int `json:"track"` // of the file, from 0
}

// copies finds the rungs that the source's video is good for as it is, of a job that
// asks for it, and tells why it is not where its size would be right.
func (p *planner) copies() {
	if !p.in.Copy {
		return
	}
	video, sized := false, false
	for _, l := range p.ladders {
		video = video || len(l.rungs) > 0
		for i := range l.rungs {
			r := &l.rungs[i]
			src := l.takes[0].src
			if own := r.frames[src.input]; own.contentW != src.pic.width || own.contentH != src.pic.height {
				continue
			}
			sized = true
			if why := l.unlike(r); why != "" {
				p.warnings.add(WarnNotCopied, "the video of %d×%d was encoded and not copied: %s", r.width, r.height, why)
				continue
			}
			r.coded = src.index.Coded
		}
	}
	if video && !sized {
		p.warnings.add(WarnNotCopied, "no video was copied: no output is as large as the source, %d×%d", p.followed.pic.width, p.followed.pic.height)
	}
}

// unlike says what keeps the source's coded frames from being a rung of the ladder,
// "" if nothing does.
func (l *ladder) unlike(r *rung) string {
	t := &l.takes[0]
	src, picture := t.src, r.frames[t.src.input]
	coded := src.index.Coded
	switch {
	case len(l.takes) > 1:
		return "several inputs or clippings are joined"
	case coded == nil:
		return "nothing is known of its frames"
	case coded.Problem != "":
		return coded.Problem
	case coded.Width != r.width || coded.Height != r.height || picture.crop.Width > 0 || picture.x != 0 || picture.y != 0:
		return "its picture is not the output's"
	case src.pic.turn != 0 || src.pic.mirror:
		return "its picture is turned"
	case r.after != "" || len(r.images) > 0 || len(src.images) > 0 || r.clock != (burnin{}) || r.treatments[src.input] != (treatment{}):
		return "its picture is worked on"
	case src.pic.format != "yuv420p" || src.pic.color.needsLight(r.look.target) || src.pic.scale(r.look) != ":out_range=tv":
		return "its colours are not the output's"
	case picture.colorTagsHidden && known(src.video.Color.Matrix+src.video.Color.Primaries+src.video.Color.Transfer) != "":
		return "it says what its colours are, and the output is not to"
	case aspect(coded.Aspect) != media.R(picture.parNum, picture.parDen):
		return "its pixels have another shape"
	case src.index.Captions && !r.captions:
		return "captions are in its frames"
	case l.film.Known() || t.skip != 0 || t.frames != int64(len(src.index.PTS)) || !inOrder(t.grid.slots):
		return fmt.Sprintf("its frames are not those of %s frames a second, one for one", l.rate)
	}
	if why := r.exceeded(coded); why != "" {
		return why
	}
	if why := r.overRate(coded, l.rate); why != "" {
		return why
	}
	return l.unentered(r, coded)
}

// aspect takes pixels of which nothing is told for square ones.
func aspect(r media.Rational) media.Rational {
	if !r.Known() {
		return media.R(1, 1)
	}
	return r
}

// inOrder reports whether each frame has its own slot.
func inOrder(slots []int64) bool {
	for i, s := range slots {
		if s != int64(i) {
			return false
		}
	}
	return len(slots) > 0
}

// profiles are those of H.264 that decoders have, the least first.
var profiles = []struct {
	idc  int
	name string
}{{0x42, "baseline"}, {0x4d, "main"}, {0x64, "high"}}

// exceeded tells of a profile or level beyond what the job gave.
func (r *rung) exceeded(coded *media.Coded) string {
	var sps [3]byte
	if n, err := fmt.Sscanf(coded.Codec, "avc1.%02x%02x%02x", &sps[0], &sps[1], &sps[2]); n != 3 || err != nil {
		return "its codec is not known"
	}
	has := slices.IndexFunc(profiles, func(p struct {
		idc  int
		name string
	},
	) bool {
		return p.idc == int(sps[0])
	})
	if has < 0 || has == 0 && sps[1]&0x40 == 0 { // of Baseline, few decoders have more than what is constrained
		return "its profile is not one that players have"
	}
	for i, p := range profiles {
		if p.name == r.profile && has > i && !r.anyProfile {
			return fmt.Sprintf("its profile is %s, beyond %s", profiles[has].name, r.profile)
		}
	}
	if level, _ := strconv.ParseFloat(r.level, 64); float64(sps[2])/10 > level+0.01 && !r.anyLevel {
		return fmt.Sprintf("its level is %.1f, beyond %s", float64(sps[2])/10, r.level)
	}
	return ""
}

// overRate tells of more bits than the job allows.
func (r *rung) overRate(coded *media.Coded, rate media.Rational) string {
	var total, buffer int64 // bits; bits times the numerator of the rate
	for _, n := range coded.Bytes {
		total += int64(n) * 8
		if r.rate.max > 0 {
			buffer = max(buffer+int64(n)*8*rate.Num-r.rate.max*rate.Den, 0)
			if buffer > r.rate.buffer*rate.Num {
				return fmt.Sprintf("some part of it has more bits than a maxBitrate of %d allows", r.rate.max)
			}
		}
	}
	average := int64(float64(total) / float64(len(coded.Bytes)) * rate.Float())
	switch most := r.rate.bitrate; {
	case r.rate.crf == "" && r.rate.max == r.rate.bitrate:
		return "rateControlMode CBR wants it filled up"
	case r.rate.crf == "" && average > most:
		return fmt.Sprintf("it has %d bits a second, more than a bitrate of %d", average, most)
	case r.rate.average > 0 && average > r.rate.average:
		return fmt.Sprintf("it has %d bits a second, more than a maxAverageBitrate of %d", average, r.rate.average)
	}
	return ""
}

// unentered tells of a segment that would begin, or a time that would pass, without a
// frame to enter at.
func (l *ladder) unentered(r *rung, coded *media.Coded) string {
	at := func(frame int64) string { return fmt.Sprintf("%.2f s", l.rate.Inverse().Float()*float64(frame)) }
	begins := func(frame int64) bool {
		_, found := slices.BinarySearch(coded.Entries, int(frame))
		return found
	}
	for _, start := range l.timeline.Starts {
		if !begins(start) {
			return "no closed GOP begins at " + at(start) + ", where a segment does"
		}
	}
	for _, c := range l.chunks { // an output that is one file has no segments
		if !begins(c.From) {
			return "no closed GOP begins at " + at(c.From) + ", where a part of it does"
		}
	}
	for i, e := range coded.Entries {
		next := l.timeline.Frames
		if i+1 < len(coded.Entries) {
			next = int64(coded.Entries[i+1])
		}
		if next-int64(e) > r.gop {
			return fmt.Sprintf("a GOP of %d frames begins at %s, longer than %d", next-int64(e), at(int64(e)), r.gop)
		}
	}
	return ""
}
