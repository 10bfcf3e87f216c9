package hls

import (
	"fmt"
	"math"
	"time"
)

// Check returns what is wrong with a multivariant playlist and the media
// playlists of its variants, then of its renditions, in their order, by the musts of RFC 8216 for
// finished streams on demand. Nil is a stream that may be published. Each problem
// names its playlist.
func Check(multivariant *MultivariantPlaylist, media ...*MediaPlaylist) []error {
	var problems []error
	add := func(bad bool, format string, args ...any) {
		if bad {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	add(len(multivariant.Variants) == 0, "multivariant playlist: no variants")
	lists := len(multivariant.Variants) + len(multivariant.Renditions)
	add(lists != len(media), "multivariant playlist: %d variants and renditions and %d media playlists", lists, len(media))
	problems = append(problems, multivariant.checkRenditions()...)
	uris := map[string]bool{}
	for _, v := range multivariant.Variants {
		add(uris[v.URI+"\n"+v.Audio], "variant %s: its URI is given twice", v.URI)
		uris[v.URI+"\n"+v.Audio] = true
		add(checkURI(v.URI) != nil, "variant %q: its URI is none", v.URI)
		add(v.Bandwidth <= 0, "variant %s: BANDWIDTH is missing (4.3.4.2)", v.URI)
		add(v.AverageBandwidth > v.Bandwidth, "variant %s: AVERAGE-BANDWIDTH %d is above BANDWIDTH %d", v.URI, v.AverageBandwidth, v.Bandwidth)
		add(len(v.Codecs) == 0, "variant %s: CODECS is missing (4.3.4.2)", v.URI)
		add((v.Width == 0) != (v.Height == 0), "variant %s: RESOLUTION %dx%d", v.URI, v.Width, v.Height)
	}
	slack := multivariant.slack()
	for i, p := range media {
		name := fmt.Sprintf("media playlist %d", i)
		if i < len(multivariant.Variants) {
			name = "media playlist " + multivariant.Variants[i].URI
		} else if r := i - len(multivariant.Variants); r < len(multivariant.Renditions) {
			name = "media playlist " + multivariant.Renditions[r].URI
		}
		for _, err := range p.check() {
			problems = append(problems, fmt.Errorf("%s: %w", name, err))
		}
		if i == 0 {
			continue
		}
		first := media[0]
		add(p.TargetDuration != first.TargetDuration, "%s: EXT-X-TARGETDURATION differs from the first variant's (6.2.4)", name)
		add(p.MediaSequence != first.MediaSequence, "%s: EXT-X-MEDIA-SEQUENCE differs from the first variant's", name)
		add(len(p.Segments) != len(first.Segments), "%s: %d segments, the first variant has %d", name, len(p.Segments), len(first.Segments))
		if len(p.Segments) == len(first.Segments) {
			var off time.Duration // the ends of segments
			for j := range p.Segments {
				if off += p.Segments[j].Duration - first.Segments[j].Duration; max(off, -off) > slack {
					add(true, "%s: segment %d lasts %v, the first variant's %v", name, j, p.Segments[j].Duration, first.Segments[j].Duration)
					break
				}
			}
		}
	}
	return problems
}

// slack is how far apart matching segments may end: not at all, or, where variants have
// several frame rates, the longest frame, to which each is cut.
func (p *MultivariantPlaylist) slack() (longest time.Duration) {
	several := false
	for _, v := range p.Variants {
		if v.FrameRate.Known() {
			longest = max(longest, v.FrameRate.Inverse().Duration(1))
			several = several || v.FrameRate != p.Variants[0].FrameRate && p.Variants[0].FrameRate.Known()
		}
	}
	if !several {
		return 0
	}
	return longest
}

// checkRenditions returns what is wrong with renditions and the variants that name
// their groups.
func (p *MultivariantPlaylist) checkRenditions() []error {
	var problems []error
	add := func(bad bool, format string, args ...any) {
		if bad {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	names, defaults, groups := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, r := range p.Renditions {
		id := r.Group + "\n" + r.Name
		add(names[id], "rendition %q: its NAME is given twice in group %q (4.3.4.1.1)", r.Name, r.Group)
		add(r.Default && defaults[r.Group], "rendition %q: group %q has two with DEFAULT=YES (4.3.4.1.1)", r.Name, r.Group)
		add(r.Default && !r.AutoSelect, "rendition %q: DEFAULT=YES and AUTOSELECT=NO (4.3.4.1)", r.Name)
		names[id], groups[r.Group] = true, true
		defaults[r.Group] = defaults[r.Group] || r.Default
	}
	for _, v := range p.Variants {
		add(v.Audio != "" && !groups[v.Audio], "variant %s: there is no rendition of group %q (4.3.4.2)", v.URI, v.Audio)
	}
	return problems
}

// check returns what is wrong with the playlist by itself.
func (p *MediaPlaylist) check() []error {
	var problems []error
	add := func(bad bool, format string, args ...any) {
		if bad {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	add(len(p.Segments) == 0, "no segments")
	add(!p.EndList, "EXT-X-ENDLIST is missing: players would wait for more")
	add(p.MediaSequence < 0, "EXT-X-MEDIA-SEQUENCE %d is negative", p.MediaSequence)
	ends := map[string]int64{} // of what was used of a resource
	add(p.Version < p.RequiredVersion() && p.Version > 0, "version %d has not what it uses, %d has (7)", p.Version, p.RequiredVersion())
	for i, s := range p.Segments {
		add(checkURI(s.URI) != nil, "segment %d: %q is not a URI", i, s.URI)
		end, used := ends[s.URI]
		add(used && (s.Range.Length == 0 || s.Range.Offset < end), "segment %d: %s is given twice", i, s.URI)
		ends[s.URI] = s.Range.Offset + s.Range.Length
		if s.Range.Length == 0 {
			ends[s.URI] = math.MaxInt64
		}
		add(s.Duration <= 0, "segment %d: it lasts %v", i, s.Duration)
		rounded := int64(s.Duration.Round(time.Second) / time.Second)
		add(rounded > p.TargetDuration, "segment %d: it lasts %v, more than EXT-X-TARGETDURATION %d (4.3.3.1)", i, s.Duration, p.TargetDuration)
		add(p.Version == 0 && s.Duration%time.Second != 0, "segment %d: version 1 has whole seconds only (4.3.2.1)", i)
	}
	return problems
}
