package plan

import (
	"fmt"
	"slices"
	"strings"
)

// graph is a filter graph in ffmpeg's notation.
type graph struct{ parts []string }

// chain adds filters, their input label included, that end in label.
func (g *graph) chain(filters, label string) { g.parts = append(g.parts, filters+label) }

func (g *graph) String() string { return strings.Join(g.parts, ";") }

// labels are the ends of the graph, "" where the chunk has none.
type labels struct {
	rungs    []string
	captures []string
}

// scaled is a size that the picture is scaled to, once, for everything that needs it.
type scaled struct {
	w, h   int
	parent int // index of the larger picture it is made from; -1 is the source's
	users  []string
}

// scaler is how pictures are scaled. Bicubic is sharp without ringing much, and
// what players' and encoders' defaults are compared with.
const scaler = "flags=bicubic"

// pictures adds everything from the chunk's frames, [v], to encoders: turning,
// tone mapping, scalers in which small pictures are made from much larger ones,
// padding, colour tags.
func (g *graph) pictures(l *ladder, src *source, c Chunk, captures []Capture, follow picture) labels {
	out := labels{rungs: make([]string, len(l.rungs)), captures: make([]string, len(l.captures))}
	base := "[v]"
	switch src.pic.turn {
	case 90:
		g.chain(base+"transpose=clock", "[t]")
		base = "[t]"
	case 180:
		g.chain(base+"hflip,vflip", "[t]")
		base = "[t]"
	case 270:
		g.chain(base+"transpose=cclock", "[t]")
		base = "[t]"
	}

	// What is wanted, by size.
	var nodes []scaled
	use := func(f frame, user string) {
		for i := range nodes {
			if nodes[i].w == f.contentW && nodes[i].h == f.contentH {
				nodes[i].users = append(nodes[i].users, user)
				return
			}
		}
		nodes = append(nodes, scaled{w: f.contentW, h: f.contentH, users: []string{user}})
	}
	type sink struct{ from, filters, to string }
	var sinks []sink
	matrix, primaries, transfer := follow.outputColor()
	for i, r := range l.rungs {
		from, to := fmt.Sprintf("[s%d]", i), fmt.Sprintf("[r%d]", i)
		tags := fmt.Sprintf("setparams=range=tv:colorspace=%s:color_primaries=%s:color_trc=%s", matrix, primaries, transfer)
		picture := r.frames[src.input]
		if picture.colorTagsHidden {
			tags = "setparams=range=unknown:colorspace=unknown:color_primaries=unknown:color_trc=unknown"
		}
		use(picture, from)
		sinks = append(sinks, sink{from, picture.finish() + "," + tags, to})
		out.rungs[i] = to
	}
	for i, capture := range l.captures {
		frames := captures[i].Frames
		lo, _ := slices.BinarySearch(frames, c.From)
		hi, _ := slices.BinarySearch(frames, c.To)
		if lo == hi {
			continue
		}
		from, to := fmt.Sprintf("[p%d]", i), fmt.Sprintf("[c%d]", i)
		picture := capture.frames[src.input]
		use(picture, from)
		sinks = append(sinks, sink{from, "select=" + capture.selects(c, frames[hi-1]) + "," + picture.finish() + ",scale=out_range=pc,format=yuvj420p", to})
		out.captures[i] = to
	}

	slices.SortStableFunc(nodes, func(a, b scaled) int { return b.w*b.h - a.w*a.h })
	for i := range nodes {
		nodes[i].parent = parentOf(nodes, i)
	}
	sdr := g.tone(src, base, nodes)
	consumers := func(of int) (names []string) {
		for i, n := range nodes {
			if n.parent == of {
				names = append(names, fmt.Sprintf("[n%d]", i))
			}
		}
		if of >= 0 {
			names = append(names, nodes[of].users...)
		}
		return names
	}
	g.fan(sdr, consumers(-1))
	for i, n := range nodes {
		filters := fmt.Sprintf("[n%d]scale=%d:%d:%s", i, n.w, n.h, scaler)
		if n.parent < 0 {
			filters += ":out_range=tv"
			if own, _, _ := src.pic.outputColor(); src.pic.convert || own != matrix {
				filters += ":out_color_matrix=" + matrix
			}
		}
		scaled := fmt.Sprintf("[m%d]", i)
		g.chain(filters+",format=yuv420p", scaled)
		g.fan(scaled, consumers(i))
	}
	for _, s := range sinks {
		g.chain(s.from+s.filters, s.to)
	}
	return out
}

// fan gives every name a copy of from.
func (g *graph) fan(from string, names []string) {
	switch len(names) {
	case 0:
		g.chain(from, "nullsink")
	case 1:
		g.chain(from+"null", names[0])
	default:
		g.chain(fmt.Sprintf("%ssplit=%d", from, len(names)), strings.Join(names, ""))
	}
}

// parentOf returns the smallest picture, of those made before, that is at least
// twice as large as node i on each side: scaled from it, i looks the same as from
// the source and costs less. From one only half as large again it is softer
// (0.001 of SSIM at 360 lines from 540), and so little is saved that it is not worth it.
func parentOf(nodes []scaled, i int) int {
	for p := i - 1; p >= 0; p-- {
		if nodes[p].w >= 2*nodes[i].w && nodes[p].h >= 2*nodes[i].h {
			return p
		}
	}
	return -1
}

// tone adds HDR to SDR conversion, after the picture has been made as small as
// the largest output, since it counts in floating point.
func (g *graph) tone(src *source, base string, nodes []scaled) string {
	if src.pic.hdr == "" || len(nodes) == 0 {
		return base
	}
	filters := base
	if n := nodes[0]; n.w*n.h < src.pic.width*src.pic.height && !slices.ContainsFunc(nodes[1:], func(o scaled) bool { return o.w > n.w || o.h > n.h }) {
		filters += fmt.Sprintf("scale=%d:%d:%s,", n.w, n.h, scaler)
	}
	filters += fmt.Sprintf("zscale=tin=%s:min=bt2020nc:pin=bt2020:rin=tv:t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,"+
		"tonemap=tonemap=hable:desat=0,zscale=t=bt709:m=bt709:r=tv,format=yuv420p", src.pic.hdr)
	g.chain(filters, "[h]")
	return "[h]"
}
