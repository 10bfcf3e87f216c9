package plan

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// loudness is AudioNormalizationSettings. The zero loudness is not measured.
type loudness struct {
	algorithm string
	correct   bool
	target    float64 // LKFS
	gate      float64 // LKFS; what is quieter is left alone
	ceiling   float64 // dBTP
	log       bool
	truePeak  bool
}

func newLoudness(s AudioNormalizationSettings, path string, problems *problems) loudness {
	if s == (AudioNormalizationSettings{}) {
		return loudness{}
	}
	l := loudness{
		algorithm: s.Algorithm, correct: s.AlgorithmControl != "MEASURE_ONLY", target: -23, gate: silence,
		log: s.LoudnessLogging == "LOG", truePeak: s.PeakCalculation == "TRUE_PEAK",
	}
	switch l.algorithm {
	case "":
		l.algorithm = "ITU_BS_1770_2"
	case ungated:
		l.target = -24
	case "ITU_BS_1770_2", "ITU_BS_1770_3", "ITU_BS_1770_4":
	default:
		problems.add(path+"/algorithm", "%s is not supported", l.algorithm)
	}
	for _, member := range []struct {
		name     string
		given    *float64
		into     *float64
		from, to float64
	}{
		{"targetLkfs", s.TargetLkfs, &l.target, -59, 0},
		{"correctionGateLevel", s.CorrectionGateLevel, &l.gate, -70, 0},
		{"truePeakLimiterThreshold", s.TruePeakLimiterThreshold, &l.ceiling, -8, 0},
	} {
		if member.given == nil {
			continue
		}
		if *member.into = *member.given; *member.given < member.from || *member.given > member.to {
			problems.add(path+"/"+member.name, "Should be between %g and %g", member.from, member.to)
		}
	}
	return l
}

// Of the algorithms only the first does not leave out quiet passages.
const ungated = "ITU_BS_1770_1"

// silence is the absolute gate of BS.1770, in LKFS.
const silence = -70

// loudnessFile is where the measuring process writes, below OutputDir.
const loudnessFile = "loudness.txt"

// levelFilter is where Level puts the gain. As it stands it changes nothing.
const levelFilter = "volume@level=1"

// Loudness says how the loudness of an audio encode is measured, and what is made of
// it. Measure are the arguments of a process that decodes what the encode does and
// writes File; ParseLoudness reads that.
type Loudness struct {
	Algorithm string   `json:"algorithm"` // ITU_BS_1770_1, _2, _3 or _4
	Correct   bool     `json:"correct"`   // to Target, where it is louder than Gate
	Target    float64  `json:"target"`    // LKFS
	Gate      float64  `json:"gate"`      // LKFS
	Ceiling   float64  `json:"ceiling"`   // dBTP that no sample may exceed
	Log       bool     `json:"log"`       // as a CSV file beside the outputs
	TruePeak  bool     `json:"truePeak"`  // in the log
	File      string   `json:"file"`
	Measure   []string `json:"measure"`
}

func (l loudness) public(start []string, graph string) *Loudness {
	// A tenth of a second at a time: momentary loudness of the last 400 ms, and the peak so far.
	graph = strings.TrimSuffix(graph, "[a]") + ",ebur128=metadata=1:peak=true:framelog=verbose,ametadata=mode=print:file=" + OutputDir + "/" + loudnessFile + "[a]"
	return &Loudness{
		Algorithm: l.algorithm, Correct: l.correct, Target: l.target, Gate: l.gate, Ceiling: l.ceiling, Log: l.log, TruePeak: l.truePeak,
		File: loudnessFile, Measure: append(slices.Clone(start), graph, "-map", "[a]", "-f", "null", "-"),
	}
}

// LimiterHeadroom is by how many dB the limiter stays below its ceiling: peaks
// between its samples, four for one, are that much higher at most.
const limiterHeadroom = 0.2

// Level returns the arguments of an encode, or of its measuring, with a gain in dB. With limited
// no true peak exceeds ceiling: what would is turned down for the moment.
func Level(args []string, gainDB float64, limited bool, rate int, ceiling float64) []string {
	filter := fmt.Sprintf("volume=volume=%.2fdB:precision=double", gainDB)
	if limited {
		filter += fmt.Sprintf(",aresample=%d,alimiter=limit=%.6f:attack=5:release=50:level=disabled:latency=1,aresample=%d",
			4*rate, math.Pow(10, (ceiling-limiterHeadroom)/20), rate)
	}
	out := slices.Clone(args)
	for i := range out {
		out[i] = strings.ReplaceAll(out[i], levelFilter, filter)
	}
	return out
}

// Measured is the loudness of a sound.
type Measured struct {
	LKFS     float64 // by the algorithm asked for; -Inf where there is nothing to measure
	TruePeak float64 // dBTP; -Inf is none
}

// ParseLoudness reads what a measuring process wrote.
func ParseLoudness(r io.Reader, algorithm string) (Measured, error) {
	var blocks []float64 // mean square of each 400 ms, in units of the loudness scale
	peak, seen := 0.0, 0
	scan := bufio.NewScanner(r)
	for scan.Scan() {
		key, value, _ := strings.Cut(scan.Text(), "=")
		switch key {
		case "lavfi.r128.M":
			if seen++; seen < 4 { // not yet 400 ms
				continue
			}
			m, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return Measured{}, fmt.Errorf("read loudness %q: %w", value, err)
			}
			blocks = append(blocks, math.Pow(10, m/10))
		case "lavfi.r128.true_peak":
			if p, err := strconv.ParseFloat(value, 64); err == nil {
				peak = max(peak, p)
			}
		}
	}
	out := Measured{LKFS: integrated(blocks, algorithm), TruePeak: 20 * math.Log10(peak)}
	return out, scan.Err()
}

// integrated is the loudness of blocks of 400 ms that overlap by three quarters
// (ITU-R BS.1770-4, annex 1): of all of them, or of those that are louder than the
// absolute gate and at most 10 LU quieter than the mean of these.
func integrated(blocks []float64, algorithm string) float64 {
	mean := func(least float64) float64 {
		sum, n := 0.0, 0
		for _, b := range blocks {
			if b > least {
				sum += b
				n++
			}
		}
		if n == 0 {
			return 0
		}
		return sum / float64(n)
	}
	if algorithm == ungated {
		return 10 * math.Log10(mean(0))
	}
	gate := math.Pow(10, silence/10.0)
	return 10 * math.Log10(mean(max(gate, mean(gate)/10)))
}
