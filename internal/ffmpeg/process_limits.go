package ffmpeg

import (
	"slices"
	"strconv"
	"time"

	"vodwright.dev/vodwright/internal/limit"
)

// Limits bound one process. A zero field is that of an encode, or of a look at the
// headers for a probe. Names say which limit of the house each is, so that an error
// can tell what raises it.
type Limits struct {
	MemoryBytes int64         // address space
	FileBytes   int64         // each file it writes; a probe writes none
	OutputBytes int64         // everything below OutputDir
	OutputFiles int64         // everything below OutputDir
	CPU         time.Duration // user and system time, rounded up to seconds
	Wall        time.Duration // from start to end
	Stall       time.Duration // without progress; not of a probe
	Names       LimitNames
}

// LimitNames are the names of the limits that Memory, CPU and Wall are from.
type LimitNames struct{ Memory, CPU, Wall limit.Name }

func encodeLimits(l limit.Limits) Limits {
	return Limits{
		MemoryBytes: int64(l.EncodeMemory), FileBytes: int64(l.FileBytes), OutputBytes: int64(l.OutputBytes), OutputFiles: int64(l.OutputFiles),
		CPU: l.EncodeCPU, Wall: l.EncodeTime, Stall: l.Stall, Names: LimitNames{limit.EncodeMemory, limit.EncodeCPU, limit.EncodeTime},
	}
}

func probeLimits(l limit.Limits) Limits {
	return Limits{
		MemoryBytes: int64(l.ProbeMemory), FileBytes: 1, CPU: l.ProbeCPU, Wall: l.ProbeTime,
		Names: LimitNames{limit.ProbeMemory, limit.ProbeCPU, limit.ProbeTime},
	}
}

// IndexLimits are those of a process that lists a source's frames.
func IndexLimits(l limit.Limits) Limits {
	return Limits{
		MemoryBytes: int64(l.IndexMemory), CPU: l.IndexCPU, Wall: l.IndexTime,
		Names: LimitNames{limit.IndexMemory, limit.IndexCPU, limit.IndexTime},
	}
}

// HeadLimits are those of a process that decodes a source's beginning: the memory
// of a decoder, the time of a list.
func HeadLimits(l limit.Limits) Limits {
	b := IndexLimits(l)
	b.MemoryBytes, b.Names.Memory = int64(l.DecodeMemory), limit.DecodeMemory
	return b
}

// DecodeLimits are those of a process that decodes a whole source and writes nothing.
func DecodeLimits(l limit.Limits) Limits {
	return Limits{
		MemoryBytes: int64(l.DecodeMemory), CPU: l.DecodeCPU, Wall: l.DecodeTime, FileBytes: 1, OutputBytes: 1,
		Names: LimitNames{limit.DecodeMemory, limit.DecodeCPU, limit.DecodeTime},
	}
}

func (l Limits) or(d Limits) Limits {
	pick := func(a, b int64) int64 {
		if a > 0 {
			return a
		}
		return b
	}
	name := func(a, b limit.Name) limit.Name {
		if a != "" {
			return a
		}
		return b
	}
	return Limits{
		MemoryBytes: pick(l.MemoryBytes, d.MemoryBytes),
		FileBytes:   pick(l.FileBytes, d.FileBytes),
		OutputBytes: pick(l.OutputBytes, d.OutputBytes),
		OutputFiles: pick(l.OutputFiles, d.OutputFiles),
		CPU:         time.Duration(pick(int64(l.CPU), int64(d.CPU))),
		Wall:        time.Duration(pick(int64(l.Wall), int64(d.Wall))),
		Stall:       time.Duration(pick(int64(l.Stall), int64(d.Stall))),
		Names:       LimitNames{name(l.Names.Memory, d.Names.Memory), name(l.Names.CPU, d.Names.CPU), name(l.Names.Wall, d.Names.Wall)},
	}
}

// limited gives the bounds of the input options (media.InputArgs) the values that
// hold here. A plan's arguments are the same everywhere; the limits are those of
// the machine that runs them.
func (r *Runner) limited(args []string) []string {
	args = slices.Clone(args)
	for i := 0; i+1 < len(args); i++ {
		switch {
		case args[i] == "-max_streams" && args[i+1] != "1":
			args[i+1] = strconv.FormatInt(int64(r.limits.Streams), 10)
		case args[i] == "-max_pixels":
			args[i+1] = strconv.FormatInt(int64(r.limits.Pixels), 10)
		}
	}
	return args
}
