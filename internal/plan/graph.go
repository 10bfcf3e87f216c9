package plan

import (
	"fmt"
	"slices"
	"strings"

	"vodwright.dev/vodwright/internal/media"
)

// graph is a filter graph in ffmpeg's notation.
type graph struct {
	parts []string
	ends  int   // labels made by next
	files []int // of the Plan, that are read, in their order
}

// input returns the label of a file that is an image.
func (g *graph) input(file int) string {
	i := slices.Index(g.files[1:], file)
	if i < 0 {
		i = len(g.files) - 1
		g.files = append(g.files, file)
	}
	return fmt.Sprintf("[%d:0]", i+1)
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
	treatment treatment
	crop      Rectangle
	look      look
}

// treatments returns what is done to the frames of a source for the outputs of a
// ladder, each once.
func (l *ladder) treatments(src *source) (list []treatment) {
	add := func(t treatment) {
		if !slices.Contains(list, t) {
			list = append(list, t)
		}
	}
	for _, r := range l.rungs {
		add(r.treatments[src.input])
	}
	for _, c := range l.captures {
		add(c.treatments[src.input])
	}
	return list
}

// frameLabel is where the frames of treatment number i come out.
func frameLabel(i int) string {
	if i == 0 {
		return "[v]"
	}
	return fmt.Sprintf("[v%d]", i)
}

// frames adds everything from the decoder to the chunk's frames, for each treatment
// of them, and the branch [k], which keeps a trace of every source frame that is
// shown. It returns the first frame of the source that has to be decoded.
func (g *graph) frames(l *ladder, t *take, c Chunk, first, last int) int {
	in := fmt.Sprintf("[0:%d]", t.src.video.Index)
	list := l.treatments(t.src)
	traced := []string{"crop=2:2:0:0:exact=1", "format=gray"}
	if v := t.src.video; min(v.Width, v.Height) < 2 {
		traced[0] = "scale=2:2"
	}
	switch known := len(t.grid.slots); {
	case !t.src.counted():
		traced = append([]string{trim(t.grid.pts[first], t.grid.pts[last])}, traced...)
	case known > 0 && (first > 0 || last < known-1):
		traced = append([]string{"setpts=N", fmt.Sprintf("trim=start_pts=%d:end_pts=%d", first, last+1)}, traced...)
	}
	begin := first
	starts := []string{"[k0]"}
	for i := range list {
		starts = append(starts, fmt.Sprintf("[i%d]", i))
	}
	g.fan(in, starts)
	g.chain("[k0]"+strings.Join(traced, ","), "[k]")
	for i, tr := range list {
		filters, lo := l.branch(t, c, tr, first, last)
		begin = min(begin, lo)
		g.chain(starts[i+1]+strings.Join(filters, ","), frameLabel(i))
	}
	return begin
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
type sink struct {
	from, filters string
	images        images
	last, to      string // filters after the images, and where the picture comes out
}

// pictures adds everything from the chunk's frames, [v], to encoders: turning,
// cropping, colours, scalers in which small pictures are made from much larger
// ones, padding, colour tags.
func (g *graph) pictures(l *ladder, t *take, c Chunk, captures []Capture) labels {
	src := t.src
	out := labels{rungs: make([]string, len(l.rungs)), captures: make([]string, len(l.captures))}
	var views []view
	var nodes [][]scaled // of each view
	use := func(t treatment, f frame, look look, format, user string) {
		v := view{t, f.crop, look}
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
		tags := fmt.Sprintf("setparams=range=tv:colorspace=%s:color_primaries=%s:color_trc=%s", r.look.target.matrix, r.look.target.primaries, r.look.target.transfer)
		if picture.colorTagsHidden {
			tags = "setparams=range=unknown:colorspace=unknown:color_primaries=unknown:color_trc=unknown"
		}
		use(r.treatments[src.input], picture, r.look, r.format, from)
		tr := r.treatments[src.input]
		sp := tr.span(l, t, c)
		over := images{r.images, sp.from - media.Rescale(t.skip-t.first, l.slots().Inverse(), sp.rate.Inverse()), sp.count, l.shown(sp), r.look.target.matrix, r.format}
		sinks = append(sinks, sink{from, r.after + picture.finish(), over, tags + tr.closing(l, t, c) + r.clock.filter(c.From), to})
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
		use(capture.treatments[src.input], picture, capture.look, "yuv420p", from)
		over := images{capture.images, c.From, c.To - c.From, l.rate, capture.look.target.matrix, "yuv420p"}
		selects := "select=" + capture.selects(c, frames[hi-1])
		jpeg := "scale=in_color_matrix=" + capture.look.target.matrix + ":out_color_matrix=smpte170m:out_range=pc,format=yuvj420p" // JFIF's colours
		if len(over.list) == 0 {
			sinks = append(sinks, sink{from, selects + "," + capture.after + picture.finish(), over, jpeg, to})
		} else { // images count the frames
			sinks = append(sinks, sink{from, capture.after + picture.finish(), over, selects + "," + jpeg, to})
		}
		out.captures[i] = to
	}

	starts := make([]string, len(views))
	for i, tr := range l.treatments(src) {
		base := frameLabel(i)
		of := func(v view) bool { return v.treatment == tr }
		if src.pic.turn != 0 || src.pic.mirror || src.pic.alpha || len(src.images) > 0 ||
			slices.ContainsFunc(views, func(v view) bool { return of(v) && v.crop.Width > 0 }) {
			to := g.next("t")
			g.chain(base+src.pic.upright(), to)
			base = to
		}
		var names []string
		for j, v := range views {
			if of(v) {
				starts[j] = g.next("w")
				names = append(names, starts[j])
			}
		}
		if len(names) == 1 {
			starts[slices.Index(starts, names[0])] = base
			continue
		}
		g.fan(base, names)
	}
	for i, v := range views {
		sp := v.treatment.span(l, t, c)
		over := images{src.images, sp.from, sp.count, sp.rate, v.look.target.matrix, finest(nodes[i])}
		g.view(v, starts[i], nodes[i], src.pic, over)
	}
	for _, s := range sinks {
		if len(s.images.list) == 0 {
			g.chain(s.from+s.filters+","+s.last, s.to)
			continue
		}
		under := g.next("b")
		g.chain(s.from+s.filters, under)
		g.chain(g.over(s.images, under)+s.last, s.to)
	}
	return out
}

// view adds what a view is made into, from its label on, with the input's images
// over it.
func (g *graph) view(v view, from string, nodes []scaled, pic picture, over images) {
	step := func(filters string) {
		to := g.next("w")
		g.chain(from+filters, to)
		from = to
	}
	done := false // the samples are those of the output
	lit := pic.color.needsLight(v.look.target)
	if len(over.list) > 0 {
		// Images have the colours of the output, and their places in the whole picture.
		if lit {
			step(pic.kept(pic.width&^1, pic.height&^1, kernel(nil)) + "," + pic.light(v.look, over.format))
		} else {
			step(fmt.Sprintf("scale=%d:%d%s,format=%s", pic.width&^1, pic.height&^1, pic.scale(v.look), over.format))
		}
		from, done = g.over(over, from), true
	}
	if v.crop.Width > 0 {
		pic.width, pic.height = int(v.crop.Width), int(v.crop.Height)
		step(fmt.Sprintf("crop=%d:%d:%d:%d", v.crop.Width, v.crop.Height, v.crop.X, v.crop.Y))
	}
	slices.SortStableFunc(nodes, func(a, b scaled) int { return b.w*b.h - a.w*a.h })
	for i := range nodes {
		nodes[i].parent = parentOf(nodes, i)
	}
	if lit && !done {
		// It counts in floating point: after the picture has been made as small as
		// the largest output, and even.
		w, h := 0, 0
		for _, n := range nodes {
			w, h = max(w, n.w), max(h, n.h)
		}
		if w*h > pic.width*pic.height {
			w, h = max(pic.width&^1, 2), max(pic.height&^1, 2)
		}
		step(pic.kept(w, h, nodes[0].kernel) + "," + pic.light(v.look, finest(nodes)))
		done = true
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
		if n.parent < 0 && !done {
			filters += pic.scale(v.look)
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
