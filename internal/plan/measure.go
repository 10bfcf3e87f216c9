package plan

import (
	"fmt"
	"slices"
	"strings"

	"vodwright.dev/vodwright/internal/media"
)

// SSIMFile and VMAFFile are what the process of Measuring writes below OutputDir for
// a rung: a line a frame of ffmpeg's ssim filter, the JSON log of libvmaf.
func SSIMFile(rung int) string { return fmt.Sprintf("ssim-%d.txt", rung) }

// VMAFFile: see SSIMFile.
func VMAFFile(rung int) string { return fmt.Sprintf("vmaf-%d.json", rung) }

// Measuring makes, of the arguments of a chunk's process, those of one that holds the
// pictures that went into each encoder against those that came out: it reads the
// chunk's files and behind them the rungs' own, in their order, and writes SSIMFile
// and VMAFFile for each rung, as asked for. Frame by frame, at the rung's size.
func Measuring(args []string, files, rungs int, ssim, vmaf bool) []string {
	at := slices.Index(args, "-filter_complex")
	out := slices.Clone(args[:at])
	// Inputs go before the options of the graph.
	threads := slices.Index(out, "-filter_complex_threads")
	options := slices.Clone(out[threads:])
	out = out[:threads]
	for i := range rungs {
		out = append(out, "-threads", "1", "-noautorotate")
		out = append(append(out, media.InputArgs()...), "-i", "file:"+SourcePath(files+i))
	}
	graph := args[at+1]
	rest := args[at+2:]
	rung := 0
	var maps []string
	for i, a := range rest {
		if a != "-map" || i+1 == len(rest) {
			continue
		}
		end := rest[i+1]
		if rung == rungs || !strings.HasPrefix(end, "[r") { // captures, the trace of what was decoded
			graph += ";" + end + "nullsink"
			continue
		}
		// Counted alike: what matters is which frame is compared with which.
		const count = "settb=1/25,setpts=N"
		in, made := fmt.Sprintf("[qa%d]", rung), fmt.Sprintf("[qb%d]", rung)
		graph += fmt.Sprintf(";%s%s%s;[%d:0]%s%s", end, count, in, files+rung, count, made)
		measure := func(filter string, in, made string) {
			label := fmt.Sprintf("[q%d]", len(maps))
			graph += fmt.Sprintf(";%s%s%s%s", made, in, filter, label)
			maps = append(maps, label)
		}
		if ssim && vmaf {
			graph += fmt.Sprintf(";%ssplit[qa%ds][qa%dv];%ssplit[qb%ds][qb%dv]", in, rung, rung, made, rung, rung)
			measure("ssim=stats_file="+SSIMFile(rung), fmt.Sprintf("[qa%ds]", rung), fmt.Sprintf("[qb%ds]", rung))
			measure("libvmaf=log_fmt=json:log_path="+VMAFFile(rung), fmt.Sprintf("[qa%dv]", rung), fmt.Sprintf("[qb%dv]", rung))
		} else if ssim {
			measure("ssim=stats_file="+SSIMFile(rung), in, made)
		} else {
			measure("libvmaf=log_fmt=json:log_path="+VMAFFile(rung), in, made)
		}
		rung++
	}
	out = append(append(out, options...), "-filter_complex", graph)
	for _, label := range maps {
		out = append(out, "-map", label, "-fps_mode", "passthrough", "-f", "null", "-")
	}
	return out
}
