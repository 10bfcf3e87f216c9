package plan

import (
	"fmt"
	"slices"
	"strings"
)

// graph is a filter graph in ffmpeg's notation.
type graph struct {
	parts []string
	ends  int // labels made by next
}

// chain adds filters, their input label included, that end in label.
func (g *graph) chain(filters, label string) { g.parts = append(g.parts, filters+label) }

// next returns a label that is not used yet.
func (g *graph) next(kind string) string {
	g.ends++
	return fmt.Sprintf("[%s%d]", kind, g.ends)
}

func (g *graph) String() string { return strings.Join(g.parts, ";") }

// labels are the ends of the graph, "" where the chunk has none.
type labels struct {
	rungs    []string
	captures []string
}

// view is a part of the source's picture in the colours of an output.
type view struct {
	crop   Rectangle
	target space
}

// scaled is a size that a view is scaled to, once, for everything that needs it.
type scaled struct {
	w, h   int
	kernel string
	format string
	parent int // index of the larger picture it is made from; -1 is the view
	users  []string
}

// sink is an end of the graph: what is done to a scaled picture for one output.
type sink struct{ from, filters, to string }

// pictures adds everything from the chunk's frames, [v], to encoders: turning,
// cropping, colours, scalers in which small pictures are made from much larger
// ones, padding, colour tags.
func (g *graph) pictures(l *ladder, src *source, c Chunk, captures []Capture) labels {
	out := labels{rungs: make([]string, len(l.rungs)), captures: make([]string, len(l.captures))}
	var views []view
	var nodes [][]scaled // of each view
	use := func(f frame, target space, format, user string) {
		v := view{f.crop, target}
		i := slices.Index(views, v)
		if i < 0 {
			i = len(views)
			views, nodes = append(views, v), append(nodes, nil)
		}
		for j := range nodes[i] {
			if n := &nodes[i][j]; n.w == f.contentW && n.h == f.contentH && n.kernel == f.kernel && n.format == format {
				n.users = append(n.users, user)
				return
			}
		}
		nodes[i] = append(nodes[i], scaled{w: f.contentW, h: f.contentH, kernel: f.kernel, format: format, users: []string{user}})
	}
	var sinks []sink
	for i, r := range l.rungs {
		from, to := fmt.Sprintf("[s%d]", i), fmt.Sprintf("[r%d]", i)
		picture := r.frames[src.input]
		tags := fmt.Sprintf("setparams=range=tv:colorspace=%s:color_primaries=%s:color_trc=%s", r.colors.matrix, r.colors.primaries, r.colors.transfer)
		if picture.colorTagsHidden {
			tags = "setparams=range=unknown:colorspace=unknown:color_primaries=unknown:color_trc=unknown"
		}
		use(picture, r.colors, r.format, from)
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
		use(picture, capture.colors, "yuv420p", from)
		sinks = append(sinks, sink{from, "select=" + capture.selects(c, frames[hi-1]) + "," + picture.finish() + ",scale=out_range=pc,format=yuvj420p", to})
		out.captures[i] = to
	}

	base := "[v]"
	if src.pic.turn != 0 || src.pic.mirror || src.pic.alpha || slices.ContainsFunc(views, func(v view) bool { return v.crop.Width > 0 }) {
		g.chain(base+src.pic.upright(), "[t]")
		base = "[t]"
	}
	starts := []string{base}
	if len(views) != 1 {
		starts = nil
		for range views {
			starts = append(starts, g.next("w"))
		}
		g.fan(base, starts)
	}
	for i, v := range views {
		g.view(v, starts[i], nodes[i], src.pic)
	}
	for _, s := range sinks {
		g.chain(s.from+s.filters, s.to)
	}
	return out
}

// view adds what a view is made into, from its label on.
func (g *graph) view(v view, from string, nodes []scaled, pic picture) {
	if v.crop.Width > 0 {
		pic.width, pic.height = int(v.crop.Width), int(v.crop.Height)
		to := g.next("w")
		g.chain(fmt.Sprintf("%scrop=%d:%d:%d:%d", from, v.crop.Width, v.crop.Height, v.crop.X, v.crop.Y), to)
		from = to
	}
	slices.SortStableFunc(nodes, func(a, b scaled) int { return b.w*b.h - a.w*a.h })
	for i := range nodes {
		nodes[i].parent = parentOf(nodes, i)
	}
	lit := pic.color.needsLight(v.target)
	if lit {
		// It counts in floating point: after the picture has been made as small as
		// the largest output, and even.
		w, h := 0, 0
		for _, n := range nodes {
			w, h = max(w, n.w), max(h, n.h)
		}
		if w*h > pic.width*pic.height {
			w, h = max(pic.width&^1, 2), max(pic.height&^1, 2)
		}
		scale := fmt.Sprintf("scale=%d:%d:%s", w, h, nodes[0].kernel)
		if full := pic.color.full; full != "" && !pic.color.rgb {
			scale += fmt.Sprintf(":in_range=%s:out_range=%[1]s", full)
		}
		to := g.next("w")
		g.chain(from+scale+","+pic.light(v.target, finest(nodes)), to)
		from = to
	}
	consumers := func(of int) (names []string) {
		for i, n := range nodes {
			if n.parent == of {
				names = append(names, nodeLabel(from, i))
			}
		}
		if of >= 0 {
			names = append(names, nodes[of].users...)
		}
		return names
	}
	g.fan(from, consumers(-1))
	for i, n := range nodes {
		filters := fmt.Sprintf("%sscale=%d:%d:%s", nodeLabel(from, i), n.w, n.h, n.kernel)
		if n.parent < 0 && !lit {
			filters += pic.scale(v.target)
		}
		scaled := g.next("m")
		g.chain(filters+",format="+n.format, scaled)
		g.fan(scaled, consumers(i))
	}
}

// nodeLabel is the label of a view's node number i; view is the view's own label.
func nodeLabel(view string, i int) string {
	return fmt.Sprintf("[n%d%s", i, view[1:])
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
		if nodes[p].w >= 2*nodes[i].w && nodes[p].h >= 2*nodes[i].h && nodes[p].kernel == nodes[i].kernel && nodes[p].format == nodes[i].format {
			return p
		}
	}
	return -1
}

// finest returns a pixel format that has what all nodes show.
func finest(nodes []scaled) string {
	chroma, depth := "420", ""
	for _, n := range nodes {
		if strings.HasPrefix(n.format, "yuv422") {
			chroma = "422"
		}
		if strings.HasSuffix(n.format, "10le") {
			depth = "10le"
		}
	}
	return "yuv" + chroma + "p" + depth
}
