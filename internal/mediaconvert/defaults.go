package mediaconvert

import (
	"reflect"
	"strings"

	"vodwright.dev/vodwright/internal/awsapi"
	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
)

// standard is a value that the service documents for a member that is not given.
// GetJob and ListJobs show it; nothing else reads it, so it must be what happens
// anyway: a test makes the plan of a job with and without each row. A default that
// is not what happens here is not in the table but in unfilled.
type standard struct {
	path   string // as in the support table; filled where the structure around it is there
	value  any    // a string, an int, or numbers
	source string // where it is documented
}

// Where defaults are documented.
const (
	fromModel  = "API model"
	fromGuide  = "user guide"
	fromExport = "jobs as the console exports them"
)

// standards is the table, a row a line, sorted by path.
func standards() []standard {
	const (
		output = "outputGroups[].outputs[]."
		cmaf   = "outputGroups[].outputGroupSettings.cmafGroupSettings."
		dash   = "outputGroups[].outputGroupSettings.dashIsoGroupSettings."
		hls    = "outputGroups[].outputGroupSettings.hlsGroupSettings."
		m3u8   = output + "containerSettings.m3u8Settings."
		mp4    = output + "containerSettings.mp4Settings."
		video  = output + "videoDescription."
		h264   = video + "codecSettings.h264Settings."
		audio  = output + "audioDescriptions[]."
		aac    = audio + "codecSettings.aacSettings."
	)
	return []standard{
		{"adAvailOffset", 0, fromExport},
		{"inputs[].audioSelectors{}.defaultSelection", "NOT_DEFAULT", fromExport},
		{"inputs[].audioSelectors{}.offset", 0, fromExport},
		{"inputs[].audioSelectors{}.programSelection", 1, fromExport},
		{"inputs[].deblockFilter", "DISABLED", fromModel},
		{"inputs[].denoiseFilter", "DISABLED", fromModel},
		{"inputs[].filterEnable", "AUTO", fromExport},
		{"inputs[].filterStrength", 0, fromExport},
		{"inputs[].inputScanType", "AUTO", fromModel},
		{"inputs[].psiControl", "USE_PSI", fromExport},
		{"inputs[].timecodeSource", "EMBEDDED", fromModel},
		{"inputs[].videoSelector.alphaBehavior", "DISCARD", fromModel},
		{"inputs[].videoSelector.colorSpace", "FOLLOW", fromModel},
		{cmaf + "clientCache", "ENABLED", fromModel},
		{cmaf + "codecSpecification", "RFC_4281", fromExport},
		{cmaf + "fragmentLength", 2, fromModel},
		{cmaf + "manifestCompression", "NONE", fromExport},
		{cmaf + "minFinalSegmentLength", 0, fromModel},
		{cmaf + "mpdProfile", "MAIN_PROFILE", fromModel},
		{cmaf + "segmentControl", "SEGMENTED_FILES", fromExport},
		{cmaf + "segmentLength", 10, fromModel},
		{cmaf + "streamInfResolution", "INCLUDE", fromExport},
		{cmaf + "videoCompositionOffsets", "UNSIGNED", fromModel},
		{cmaf + "writeDashManifest", "ENABLED", fromExport},
		{cmaf + "writeHlsManifest", "ENABLED", fromExport},
		{cmaf + "writeSegmentTimelineInRepresentation", "DISABLED", fromModel},
		{dash + "fragmentLength", 2, fromGuide},
		{dash + "hbbtvCompliance", "NONE", fromExport},
		{dash + "minFinalSegmentLength", 0, fromModel},
		{dash + "mpdProfile", "MAIN_PROFILE", fromModel},
		{dash + "segmentControl", "SEGMENTED_FILES", fromExport},
		{dash + "segmentLength", 30, fromModel},
		{dash + "videoCompositionOffsets", "UNSIGNED", fromModel},
		{dash + "writeSegmentTimelineInRepresentation", "DISABLED", fromModel},
		{hls + "captionLanguageSetting", "OMIT", fromExport},
		{hls + "clientCache", "ENABLED", fromModel},
		{hls + "codecSpecification", "RFC_4281", fromExport},
		{hls + "directoryStructure", "SINGLE_DIRECTORY", fromExport},
		{hls + "manifestCompression", "NONE", fromExport},
		{hls + "minFinalSegmentLength", 0, fromModel},
		{hls + "outputSelection", "MANIFESTS_AND_SEGMENTS", fromExport},
		{hls + "programDateTime", "EXCLUDE", fromExport},
		{hls + "programDateTimePeriod", 600, fromExport},
		{hls + "segmentControl", "SEGMENTED_FILES", fromExport},
		{hls + "segmentLength", 10, fromModel},
		{hls + "streamInfResolution", "INCLUDE", fromExport},
		{hls + "timedMetadataId3Frame", "PRIV", fromExport},
		{hls + "timedMetadataId3Period", 10, fromGuide},
		{audio + "audioTypeControl", "FOLLOW_INPUT", fromExport},
		{aac + "audioDescriptionBroadcasterMix", "NORMAL", fromExport},
		{aac + "codecProfile", "LC", fromExport},
		{aac + "rateControlMode", "CBR", fromExport},
		{aac + "rawFormat", "NONE", fromExport},
		{aac + "specification", "MPEG4", fromExport},
		{audio + "languageCodeControl", "FOLLOW_INPUT", fromExport},
		{m3u8 + "audioDuration", "DEFAULT_CODEC_DURATION", fromModel},
		{m3u8 + "audioFramesPerPes", 4, fromExport},
		{m3u8 + "audioPids", []int32{482, 483, 484, 485, 486, 487, 488, 489, 490, 491, 492}, fromModel},
		{m3u8 + "nielsenId3", "NONE", fromExport},
		{m3u8 + "patInterval", 0, fromExport},
		{m3u8 + "pcrControl", "PCR_EVERY_PES_PACKET", fromExport},
		{m3u8 + "pmtInterval", 0, fromExport},
		{m3u8 + "pmtPid", 480, fromModel},
		{m3u8 + "privateMetadataPid", 503, fromModel},
		{m3u8 + "programNumber", 1, fromModel},
		{m3u8 + "ptsOffsetMode", "AUTO", fromModel},
		{m3u8 + "scte35Pid", 500, fromModel},
		{m3u8 + "scte35Source", "NONE", fromExport},
		{m3u8 + "timedMetadata", "NONE", fromExport},
		{m3u8 + "timedMetadataPid", 502, fromModel},
		{m3u8 + "videoPid", 481, fromModel},
		{mp4 + "audioDuration", "DEFAULT_CODEC_DURATION", fromModel},
		{mp4 + "cslgAtom", "INCLUDE", fromExport},
		{mp4 + "freeSpaceBox", "EXCLUDE", fromExport},
		{mp4 + "moovPlacement", "PROGRESSIVE_DOWNLOAD", fromExport},
		{output + "outputSettings.hlsSettings.audioGroupId", "program_audio", fromExport},
		{output + "outputSettings.hlsSettings.audioRenditionSets", "program_audio", fromExport},
		{output + "outputSettings.hlsSettings.iFrameOnlyManifest", "EXCLUDE", fromExport},
		{video + "afdSignaling", "NONE", fromExport},
		{video + "antiAlias", "ENABLED", fromModel},
		{h264 + "adaptiveQuantization", "AUTO", fromModel},
		{h264 + "codecLevel", "AUTO", fromExport},
		{h264 + "codecProfile", "MAIN", fromExport},
		{h264 + "dynamicSubGop", "ADAPTIVE", fromModel},
		{h264 + "endOfStreamMarkers", "SUPPRESS", fromExport},
		{h264 + "entropyEncoding", "CABAC", fromExport},
		{h264 + "fieldEncoding", "PAFF", fromModel},
		{h264 + "flickerAdaptiveQuantization", "DISABLED", fromModel},
		{h264 + "framerateControl", "INITIALIZE_FROM_SOURCE", fromExport},
		{h264 + "framerateConversionAlgorithm", "DUPLICATE_DROP", fromExport},
		{h264 + "gopBReference", "ENABLED", fromModel},
		{h264 + "gopClosedCadence", 1, fromExport},
		{h264 + "gopSizeUnits", "AUTO", fromModel},
		{h264 + "hrdBufferInitialFillPercentage", 90, fromExport},
		{h264 + "interlaceMode", "PROGRESSIVE", fromModel},
		{h264 + "minIInterval", 0, fromExport},
		{h264 + "parControl", "INITIALIZE_FROM_SOURCE", fromModel},
		{h264 + "qualityTuningLevel", "SINGLE_PASS_HQ", fromModel},
		{h264 + "repeatPps", "DISABLED", fromExport},
		{h264 + "sceneChangeDetect", "ENABLED", fromModel},
		{h264 + "slices", 1, fromExport},
		{h264 + "slowPal", "DISABLED", fromModel},
		{h264 + "softness", 0, fromModel},
		{h264 + "spatialAdaptiveQuantization", "ENABLED", fromModel},
		{h264 + "syntax", "DEFAULT", fromExport},
		{h264 + "telecine", "NONE", fromExport},
		{h264 + "temporalAdaptiveQuantization", "ENABLED", fromModel},
		{h264 + "unregisteredSeiTimecode", "DISABLED", fromExport},
		{h264 + "writeMp4PackagingType", "AVC1", fromModel},
		{video + "colorMetadata", "INSERT", fromModel},
		{video + "dropFrameTimecode", "ENABLED", fromExport},
		{video + "respondToAfd", "NONE", fromExport},
		{video + "scalingBehavior", "DEFAULT", fromModel},
		{video + "sharpness", 50, fromModel},
		{video + "timecodeInsertion", "DISABLED", fromExport},
		{"timecodeConfig.source", "EMBEDDED", fromModel},
	}
}

// filler fills in the standards of settings.
type filler struct {
	schema *awsapi.Schema
	of     map[string][]filled // structure's path → its members
	within map[string]bool     // paths of members below which there are standards
}

type filled struct {
	field int
	value reflect.Value
}

func newFiller(schema *awsapi.Schema, rows []standard) *filler {
	f := &filler{schema: schema, of: map[string][]filled{}, within: map[string]bool{}}
	byPath := map[string]standard{}
	for _, r := range rows {
		byPath[r.path] = r
		for p := r.path; ; {
			i := strings.LastIndexByte(p, '.')
			if i < 0 {
				break
			}
			p = p[:i]
			f.within[p] = true
		}
	}
	f.learn(reflect.TypeFor[mc.JobSettings](), "", byPath)
	return f
}

// learn finds the fields of a structure at path, and of those below it.
func (f *filler) learn(t reflect.Type, path string, rows map[string]standard) {
	for i, m := range f.schema.Fields(t) {
		at := strings.TrimPrefix(path+"."+m.Name, ".")
		if r, ok := rows[at]; ok {
			f.of[path] = append(f.of[path], filled{i, valueAs(t.Field(i).Type, r.value)})
			continue
		}
		inner := t.Field(i).Type
		switch inner.Kind() {
		case reflect.Slice:
			at, inner = at+"[]", inner.Elem()
		case reflect.Map:
			at, inner = at+"{}", inner.Elem()
		}
		if inner.Kind() == reflect.Pointer && inner.Elem().Kind() == reflect.Struct && f.within[at] {
			f.learn(inner.Elem(), at, rows)
		}
	}
}

// valueAs makes a member's value of what the table says.
func valueAs(t reflect.Type, v any) reflect.Value {
	if t.Kind() != reflect.Pointer {
		return reflect.ValueOf(v).Convert(t)
	}
	p := reflect.New(t.Elem())
	p.Elem().Set(reflect.ValueOf(v).Convert(t.Elem()))
	return p
}

// fill completes s, which the caller owns. Values are shared with other settings
// and never changed.
func (f *filler) fill(s *mc.JobSettings) {
	if s.TimecodeConfig == nil {
		s.TimecodeConfig = &mc.TimecodeConfig{}
	}
	f.structure(reflect.ValueOf(s).Elem(), "")
}

func (f *filler) structure(v reflect.Value, path string) {
	for _, m := range f.of[path] {
		if field := v.Field(m.field); field.IsZero() {
			field.Set(m.value)
		}
	}
	for i, m := range f.schema.Fields(v.Type()) {
		field, at := v.Field(i), strings.TrimPrefix(path+"."+m.Name, ".")
		switch field.Kind() {
		case reflect.Pointer:
			if f.within[at] && !field.IsNil() && field.Elem().Kind() == reflect.Struct {
				f.structure(field.Elem(), at)
			}
		case reflect.Slice:
			if f.within[at+"[]"] {
				for j := range field.Len() {
					if item := field.Index(j); item.Kind() == reflect.Pointer && !item.IsNil() {
						f.structure(item.Elem(), at+"[]")
					}
				}
			}
		case reflect.Map:
			if f.within[at+"{}"] {
				for _, k := range field.MapKeys() {
					if item := field.MapIndex(k); item.Kind() == reflect.Pointer && !item.IsNil() {
						f.structure(item.Elem(), at+"{}")
					}
				}
			}
		}
	}
}
