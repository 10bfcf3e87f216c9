package plan

import (
	"slices"

	"vodwright.dev/vodwright/internal/mp4"
)

// Pieces of an audio encode. They are short enough that who jumps waits for less than
// half a second of encoding, the first one for less still, and long enough that
// starting a process is lost in the encode.
const (
	firstPieceSeconds = 4
	pieceOfSound      = 20
	leastInPieces     = 15 // what is shorter is made at once in a moment
	// preroll is how many frames an encoder makes in vain before a piece: with two
	// there is no click at the edge (a 441 Hz sine: 42 dB where none gives 15), with
	// four it is as if there were no edge on film sound.
	preroll = 4
	// warmUp is how many samples a resampler gets before the first one that counts.
	warmUp = 2048
	// seekAhead is how many seconds before its first sample decoding begins: decoders
	// of sound lean on some frames before.
	seekAhead = 1.0
)

// inPieces reports whether the encode can be made of pieces that know nothing of each
// other: whether every sample's place follows from the source's tables, and what is
// made of a sample from those near it.
func (a audio) inPieces() bool {
	if a.loudness.algorithm != "" || a.samples <= leastInPieces*int64(a.rate) {
		return false
	}
	for _, p := range a.parts {
		for _, f := range p.feeds {
			if !f.even || f.stretch > 0 || f.follow || f.leaps != "" || f.faster.Known() {
				return false
			}
		}
	}
	return true
}

// pieces cuts the encode into pieces, each with its process.
func (a audio) pieces(file string) []AudioPiece {
	perSecond := func(seconds int64) int64 { return max(seconds*int64(a.rate)/mp4.FrameSamples, 1) }
	total := (a.samples+mp4.FrameSamples-1)/mp4.FrameSamples + 1
	var out []AudioPiece
	for from, length := int64(0), perSecond(firstPieceSeconds); from < total; length = perSecond(pieceOfSound) {
		to := from + length
		if to+perSecond(firstPieceSeconds) > total {
			to = total
		}
		out = append(out, a.piece(file, from, to))
		from = to
	}
	return out
}

// piece makes the frames [from, to). Frame i codes the samples from (i-1)*1024 on,
// and those of the block behind them.
func (a audio) piece(file string, from, to int64) AudioPiece {
	begin := max(from-1-preroll, 0)
	cut := a.cut(begin*mp4.FrameSamples, min((to+1)*mp4.FrameSamples, a.samples))
	made := cut.public(file)
	return AudioPiece{From: from, To: to, Skip: from - begin, Files: made.Files, Args: made.Args, Entries: made.Entries}
}

// cut returns the audio of the samples [from, to).
func (a audio) cut(from, to int64) audio {
	out := a
	out.parts, out.samples, out.cutOut = nil, to-from, true
	at := int64(0)
	for _, p := range a.parts {
		lo, hi := max(from-at, 0), min(to-at, p.samples)
		at += p.samples
		if lo < hi {
			out.parts = append(out.parts, p.cut(lo, hi, int64(a.rate)))
		}
	}
	return out
}

// cut returns the samples [from, to) of a part, rate a second.
func (p part) cut(from, to, rate int64) part {
	out := part{width: p.width, samples: to - from}
	for _, f := range p.feeds {
		if f.sounds(float64(from)/float64(rate), float64(to)/float64(rate)) {
			out.feeds = append(out.feeds, f.enterAt(from, rate))
		}
	}
	return out
}

// sounds reports whether the stream has anything between two seconds of the part.
func (f feed) sounds(from, to float64) bool { return to > f.begins-0.1 && from < f.ends+0.1 }

// enterAt returns the feed from a sample of the part on. Decoding begins before it,
// at a place that is a whole number of samples of the source as well, so that a
// resampler's samples are the same wherever it began.
func (f feed) enterAt(sample, rate int64) feed {
	unit := rate / gcd(rate, f.rate)
	f.enter = max(sample-warmUp, 0) / unit * unit
	if len(f.places) > 0 {
		f.enter = f.clear(f.enter/unit*(f.rate/gcd(rate, f.rate))) * rate / f.rate / unit * unit
	}
	f.drop = sample - f.enter
	f.cut = true
	f.seek = 0
	// Nothing is read in vain of a stream that begins late.
	if at := float64(f.enter) / float64(rate); at-seekAhead > max(f.begins, 0)+0.5 {
		f.seek = max(int64((f.origin.seconds()+f.skip.Float()-float64(f.offset)/1000+at-seekAhead)*1e6), 0)
	}
	return f
}

// wholeFiles lists the files that the pieces read.
func wholeFiles(pieces []AudioPiece) []int {
	out := []int{}
	for _, p := range pieces {
		for _, f := range p.Files {
			if !slices.Contains(out, f) {
				out = append(out, f)
			}
		}
	}
	slices.Sort(out)
	return out
}
