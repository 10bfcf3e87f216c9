package receipt

import "vodwright.dev/vodwright/internal/plan"

// Codes of what is found while encoding; plan has the codes of what is known before.
const (
	WarnDamaged  = 900050 // parts of the source could not be decoded
	WarnOverCap  = 900051 // an encoder did not keep to its cap
	WarnUnsteady = 900052 // sound that changes its format was made one
	WarnQuality  = 900053 // a quality that was asked for was not measured
	WarnSilence  = 900054 // sound that could not be decoded, or is not there
)

// healed returns one word for what a warning says was healed, "" for one that says
// something else.
func healed(code int) string {
	switch code {
	case plan.WarnNoAudio:
		return "missingAudio"
	case plan.WarnSilenceAdded:
		return "lateAudio"
	case plan.WarnAudioDropped:
		return "earlyAudio"
	case plan.WarnRotated:
		return "rotation"
	case plan.WarnVariableRate:
		return "variableFrameRate"
	case plan.WarnFrameRate:
		return "frameRate"
	case plan.WarnFramesRepeated:
		return "gaps"
	case plan.WarnDeinterlaced:
		return "interlacing"
	case plan.WarnToneMapped:
		return "hdr"
	case plan.WarnOnePiece:
		return "frameIndex"
	case plan.WarnSquarePixels:
		return "pixelAspect"
	case plan.WarnTimestamps:
		return "timestamps"
	case plan.WarnCutShort:
		return "cutShort"
	case WarnDamaged:
		return "damagedFrames"
	case WarnUnsteady:
		return "audioFormat"
	case WarnSilence:
		return "audioGaps"
	case plan.WarnMended:
		return "fileTables"
	}
	return ""
}
