package plan

import (
	"fmt"
	"slices"
	"strings"

	"vodwright.dev/vodwright/internal/fault"
)

// Codes of the errors that New returns, as the MediaConvert user guide lists them.
const (
	CodeNoVideo     = "1020"
	CodeNoAudio     = "1021"
	CodeUnsupported = "1030" // the source: a codec, a container, or a claim beyond the bounds
	CodeSettings    = "1040" // the job's settings, or what they ask of this source
	CodeClipping    = "1060" // timecodes of a clipping that the input does not have
)

// Codes of warnings. The first two are the service's own; the service has none
// for the rest, which begin at 900000.
const (
	WarnSilenceAdded   = 240000 // 100 ms or more of silence is added at the start
	WarnAudioDropped   = 240001 // 100 ms or more of sound before the first frame is dropped
	WarnNoAudio        = 900000 // the source has no audio; silence was made
	WarnUpscaled       = 900001 // an output is larger than the source
	WarnRotated        = 900002 // turned upright by the source's metadata
	WarnVariableRate   = 900003 // put on a constant rate
	WarnFrameRate      = 900004 // the rate was lowered
	WarnFramesRepeated = 900005 // the source lacks frames
	WarnDeinterlaced   = 900006 // interlaced source, progressive output
	WarnToneMapped     = 900007 // HDR source, SDR output
	WarnOnePiece       = 900008 // the source cannot be entered in the middle; encoded in one piece
	WarnChannels       = 900009 // the output has channels that the source lacks
	WarnSetting        = 900010 // a setting that has no effect here
	WarnClipping       = 900011 // a clipping ends behind its input
	WarnSquarePixels   = 900020 // the source's pixels are not square, the output's are
	WarnTimestamps     = 900030 // the source's clock leaps; it was made to go on
	WarnCutShort       = 900031 // the source was cut short; what is there was encoded
	WarnCaptions       = 900032 // captions of the source that are not in the output
	WarnStreams        = 900033 // the source has several videos; one was encoded
	WarnNotCopied      = 900035 // video that was to be copied if possible was encoded
	WarnSoundEnds      = 900034 // the sound ends a second or more before the picture; silence was added
	WarnMended         = 900036 // what the file says of its streams or of their times was set right
)

// warnings collects what the user should know, each text once.
type warnings struct{ list []Warning }

func (w *warnings) add(code int, format string, args ...any) {
	next := Warning{Code: code, Message: fmt.Sprintf(format, args...)}
	for _, have := range w.list {
		if have == next {
			return
		}
	}
	w.list = append(w.list, next)
}

// problems collects what is wrong with the settings, each with its path in the document.
type problems struct{ list []string }

func (p *problems) add(path, format string, args ...any) {
	p.list = append(p.list, path+": "+fmt.Sprintf(format, args...))
}

// mostProblems is how many are told at once, a line each.
const mostProblems = 50

func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	list := p.list
	if more := len(list) - mostProblems; more > 0 {
		list = append(slices.Clone(list[:mostProblems]), fmt.Sprintf("and %d more", more))
	}
	return &fault.Error{Kind: fault.Invalid, Code: CodeSettings, Message: strings.Join(list, "\n")}
}
