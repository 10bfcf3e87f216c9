package mediaconvert

func videoRows() []row {
	r := &rows{prefix: "outputGroups[].outputs[].videoDescription."}
	r.any("width", "height", "colorMetadata")
	r.some("scalingBehavior", only("DEFAULT", "STRETCH_TO_OUTPUT", "FIT", "FIT_NO_UPSCALE", "FILL"), "")
	r.any("antiAlias") // the service ignores DISABLED: scaling is always anti-aliased
	r.any("sharpness")
	r.any("crop.x", "crop.y", "crop.width", "crop.height")
	r.any("position.x", "position.y", "position.width", "position.height")
	r.soft("timecodeInsertion", only("DISABLED"), only("PIC_TIMING_SEI"), "has no effect: no timecode is written into the stream")
	r.any("dropFrameTimecode") // of a timecode that is burnt in
	r.soft("afdSignaling", only("NONE"), anything(), "has no effect: no active format description is written")
	r.soft("fixedAfd", values{}, anything(), "has no effect: no active format description is written")
	r.some("respondToAfd", only("NONE"), "")
	r.some("chromaPositionMode", only("AUTO"), "")
	r.soft("timecodeTrack", only("DISABLED"), only("ENABLED"), "has no effect: no timecode track is written")
	preprocessorRows(r)

	r.prefix += "codecSettings."
	r.some("codec", only("H_264", "FRAME_CAPTURE"), "use H_264, or FRAME_CAPTURE in a RAW container")
	for _, other := range []string{"av1", "avcIntra", "gif", "h265", "mpeg2", "passthrough", "prores", "uncompressed", "vc3", "vp8", "vp9", "xavc"} {
		r.no(other+"Settings", "use h264Settings")
	}
	r.any("frameCaptureSettings.framerateNumerator", "frameCaptureSettings.framerateDenominator",
		"frameCaptureSettings.maxCaptures", "frameCaptureSettings.quality")
	return r.list
}

// preprocessorRows adds those of videoPreprocessors, relative to the video description.
func preprocessorRows(r *rows) {
	v := "videoPreprocessors."
	r.any(v+"deinterlacer.mode", v+"deinterlacer.algorithm", v+"deinterlacer.control")
	for _, name := range []string{
		"filter", "filterSettings.strength",
		"spatialFilterSettings.postFilterSharpenStrength", "spatialFilterSettings.speed", "spatialFilterSettings.strength",
		"temporalFilterSettings.aggressiveMode", "temporalFilterSettings.speed", "temporalFilterSettings.strength",
		"temporalFilterSettings.postTemporalSharpening", "temporalFilterSettings.postTemporalSharpeningStrength",
	} {
		r.any(v + "noiseReducer." + name)
	}
	c := v + "colorCorrector."
	r.any(c+"brightness", c+"contrast", c+"hue", c+"saturation", c+"hdrToSdrToneMapper")
	r.some(c+"colorSpaceConversion", only("NONE", "FORCE_601", "FORCE_709"), "outputs are SDR: use FORCE_601 or FORCE_709")
	r.soft(c+"sampleRangeConversion", only("LIMITED_RANGE_SQUEEZE", "LIMITED_RANGE_CLIP"), only("NONE"), "has no effect: outputs have limited range, which players show the same")
	r.any(c+"clipLimits.minimumYUV", c+"clipLimits.maximumYUV")
	r.no(c+"clipLimits.minimumRGBTolerance", "limits are those of YUV samples")
	r.no(c+"clipLimits.maximumRGBTolerance", "limits are those of YUV samples")
	r.soft(c+"sdrReferenceWhiteLevel", values{}, anything(), "has no effect: outputs are SDR")
	r.soft(c+"maxLuminance", values{}, anything(), "has no effect: outputs are SDR")
	hdr10Rows(r, c+"hdr10Metadata.", "has no effect: outputs are SDR")
	imageRows(r, v)
	r.any(v+"timecodeBurnin.fontSize", v+"timecodeBurnin.position", v+"timecodeBurnin.prefix")
	r.no(v+"dolbyVision", "outputs are SDR H.264")
	r.no(v+"hdr10Plus", "outputs are SDR H.264")
	r.no(v+"partnerWatermarking", "")
}

// imageRows adds those of an image inserter, of an input or an output.
func imageRows(r *rows, prefix string) {
	i := prefix + "imageInserter."
	for _, name := range []string{"imageInserterInput", "imageX", "imageY", "width", "height", "layer", "opacity", "startTime", "duration", "fadeIn", "fadeOut"} {
		r.any(i + "insertableImages[]." + name)
	}
	r.soft(i+"sdrReferenceWhiteLevel", values{}, anything(), "has no effect: outputs are SDR")
}

// hdr10Rows adds those of Hdr10Metadata, which are accepted.
func hdr10Rows(r *rows, prefix, instead string) {
	for _, name := range []string{
		"bluePrimaryX", "bluePrimaryY", "greenPrimaryX", "greenPrimaryY", "redPrimaryX", "redPrimaryY",
		"whitePointX", "whitePointY", "maxContentLightLevel", "maxFrameAverageLightLevel", "maxLuminance", "minLuminance",
	} {
		r.soft(prefix+name, values{}, anything(), instead)
	}
}

func h264Rows() []row {
	r := &rows{prefix: "outputGroups[].outputs[].videoDescription.codecSettings.h264Settings."}
	r.any("rateControlMode", "bitrate", "maxBitrate", "hrdBufferSize")
	r.any("qvbrSettings.qvbrQualityLevel", "qvbrSettings.qvbrQualityLevelFineTune")
	r.any("qvbrSettings.maxAverageBitrate", "hrdBufferInitialFillPercentage")
	r.soft("hrdBufferFinalFillPercentage", values{}, anything(), "has no effect: only the start of the buffer is set")
	r.any("codecProfile")
	r.any("codecLevel", "gopSize", "gopSizeUnits", "entropyEncoding", "numberBFramesBetweenReferenceFrames", "numberReferenceFrames",
		"gopBReference", "dynamicSubGop", "sceneChangeDetect", "slices")
	r.soft("qualityTuningLevel", only("SINGLE_PASS", "SINGLE_PASS_HQ"), only("MULTI_PASS_HQ"), "is one pass here, with more effort than SINGLE_PASS_HQ")
	r.any("gopClosedCadence") // how many GOPs may be open: none is
	r.soft("minIInterval", number(0), between(0, 30), "has no effect: the encoder keeps its own distance between I-frames")
	r.any("adaptiveQuantization", "spatialAdaptiveQuantization")
	r.any("temporalAdaptiveQuantization")
	r.soft("flickerAdaptiveQuantization", only("DISABLED"), only("ENABLED"), "has no effect: the encoder has no such filter")
	r.some("framerateControl", only("INITIALIZE_FROM_SOURCE", "SPECIFIED"), "")
	r.any("framerateNumerator", "framerateDenominator")
	r.some("framerateConversionAlgorithm", only("DUPLICATE_DROP", "INTERPOLATE"), "motion is not estimated: use INTERPOLATE, which mixes neighbours, or DUPLICATE_DROP")
	r.some("parControl", only("INITIALIZE_FROM_SOURCE", "SPECIFIED"), "")
	r.any("parNumerator", "parDenominator")
	r.any("interlaceMode", "scanTypeConversionMode")
	r.any("fieldEncoding") // frames are coded as MBAFF, which decoders of all three read and viewers cannot tell
	r.any("slowPal")
	r.some("telecine", only("NONE", "HARD"), "players are not told to repeat fields: use HARD")
	r.soft("syntax", only("DEFAULT"), only("RP2027"), "has no effect: streams have the default syntax")
	r.any("softness")
	r.soft("repeatPps", only("DISABLED"), only("ENABLED"), "has no effect: parameter sets are repeated at every keyframe")
	r.soft("unregisteredSeiTimecode", only("DISABLED"), only("ENABLED"), "has no effect: no timecode is written into the stream")
	r.soft("endOfStreamMarkers", only("SUPPRESS"), only("INCLUDE"), "has no effect: streams end without a marker")
	r.soft("writeMp4PackagingType", only("AVC1"), only("AVC3"), "has no effect: parameter sets are in the sample description (avc1)")
	r.soft("saliencyAwareEncoding", only("DISABLED"), only("PREFERRED"), "has no effect: the encoder does not look for faces")
	r.soft("bandwidthReductionFilter.strength", only("OFF", "AUTO"), anything(), "has no effect: the encoder has no such filter")
	r.soft("bandwidthReductionFilter.sharpening", only("OFF"), anything(), "has no effect: the encoder has no such filter")
	r.no("perFrameMetrics", "")
	return r.list
}

func audioRows() []row {
	r := &rows{prefix: "outputGroups[].outputs[].audioDescriptions[]."}
	r.any("audioSourceName", "languageCode", "customLanguageCode", "languageCodeControl")
	r.any("streamName") // names a rendition, or a track of an MP4
	r.any("audioType")  // in the PMT of transport streams, the one place that has it
	r.any("audioTypeControl")
	r.any("remixSettings.channelsIn", "remixSettings.channelsOut")
	r.any("remixSettings.channelMapping.outputChannels[].inputChannels", "remixSettings.channelMapping.outputChannels[].inputChannelsFineTune")
	for _, member := range []string{"Audio", "Data"} {
		r.no("remixSettings.audioDescription"+member+"Channel", "audio description signals are not decoded; mix the description in with channelMapping")
	}
	for _, member := range []string{"algorithm", "algorithmControl", "correctionGateLevel", "targetLkfs", "truePeakLimiterThreshold"} {
		r.any("audioNormalizationSettings." + member)
	}
	r.any("audioNormalizationSettings.peakCalculation", "audioNormalizationSettings.loudnessLogging")
	r.no("audioChannelTaggingSettings", "tags belong to QuickTime files, which are not made; a track's coding mode names its channels")
	r.some("audioPitchCorrectionSettings.slowPalPitchCorrection", only("DISABLED"), "")

	r.prefix += "codecSettings."
	r.some("codec", only("AAC"), "use AAC")
	for _, other := range []string{"ac3", "ac4", "aiff", "eac3Atmos", "eac3", "flac", "mp2", "mp3", "opus", "vorbis", "wav"} {
		r.no(other+"Settings", "use aacSettings")
	}

	r.prefix += "aacSettings."
	r.any("bitrate", "sampleRate", "rateControlMode", "vbrQuality")
	r.soft("codecProfile", only("LC"), only("HEV1", "HEV2"), "is made as AAC-LC, at a bitrate that sounds as good: at least 48000 bit/s a channel")
	r.some("codingMode", only("CODING_MODE_1_0", "CODING_MODE_1_1", "CODING_MODE_2_0", "CODING_MODE_5_1", "CODING_MODE_AUTO"), "audio description signals are not decoded; use CODING_MODE_1_0")
	r.some("rawFormat", only("NONE"), "raw AAC has ADTS headers")
	r.any("specification", "audioDescriptionBroadcasterMix")
	r.any("loudnessMeasurementMode", "rapInterval", "targetLoudnessRange") // of the XHE profile, which is refused
	return r.list
}
