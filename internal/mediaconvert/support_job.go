package mediaconvert

import "slices"

func jobRows() []row {
	r := &rows{}
	r.soft("adAvailOffset", number(0), anything(), "has no effect: ad markers are not passed through")
	r.any("followSource")
	// Clippings and images of inputs count by their input's timecodeSource.
	r.any("timecodeConfig.anchor", "timecodeConfig.source", "timecodeConfig.start", "timecodeConfig.timestampOffset")
	r.no("availBlanking", "avail blanking needs ad markers, which are not passed through")
	r.no("colorConversion3DLUTSettings", "")
	r.no("esam", "ad markers are not passed through")
	r.no("kantarWatermark", "")
	r.no("motionImageInserter", "")
	r.no("nielsenConfiguration", "")
	r.no("nielsenNonLinearWatermark", "")
	r.no("timedMetadataInsertion", "")
	return r.list
}

func inputRows() []row {
	r := &rows{prefix: "inputs[]."}
	r.any("fileInput", "timecodeSource", "timecodeStart")
	r.any("psiControl") // which tables ffmpeg believes is not chosen; both name the same streams
	r.any("filterEnable", "filterStrength", "deblockFilter", "denoiseFilter", "inputScanType")
	r.some("advancedInputFilter", only("DISABLED"), "")
	r.some("programNumber", number(1), "the first program of a transport stream is used")
	r.any("inputClippings[].startTimecode", "inputClippings[].endTimecode")
	r.any("crop.x", "crop.y", "crop.width", "crop.height")
	r.any("position.x", "position.y", "position.width", "position.height")
	imageRows(r, "")
	r.no("videoOverlays", "")
	r.no("videoGenerator", "")
	r.no("decryptionSettings", "decrypt the source before")
	r.no("supplementalImps", "")
	r.no("dolbyVisionMetadataXml", "")
	r.no("tamsSettings", "")
	r.any("audioSelectorGroups{}.audioSelectorNames")
	for _, member := range []string{"selectorType", "languageCode", "offset", "externalAudioFileInput", "audioDurationCorrection"} {
		r.any("dynamicAudioSelectors{}." + member)
	}
	captions := "captionSelectors{}."
	r.any(captions+"languageCode", captions+"customLanguageCode")
	r.soft(captions+"sourceSettings.embeddedSourceSettings", values{}, anything(), "has no effect: captions are carried as they are, on the channels where they are")
	for _, kind := range []string{"ancillary", "dvbSub", "file", "teletext", "track", "webvttHls"} {
		r.soft(captions+"sourceSettings."+kind+"SourceSettings", values{}, anything(), "has no effect: captions of this kind are not carried")
	}
	r.soft(captions+"sourceSettings.sourceType", only("EMBEDDED", "NULL_SOURCE"), anything(), "has no effect: captions of this kind are not carried")

	r.prefix = "inputs[].audioSelectors{}."
	r.some("selectorType", only("TRACK", "PID", "LANGUAGE_CODE", "ALL_PCM", "STREAM"), "HLS packages are no inputs")
	r.any("tracks", "pids", "streams", "languageCode", "customLanguageCode", "defaultSelection", "offset")
	r.some("programSelection", between(0, 1), "Dolby E is not decoded")
	r.any("audioDurationCorrection", "externalAudioFileInput")
	r.any("remixSettings.channelsIn", "remixSettings.channelsOut")
	r.any("remixSettings.channelMapping.outputChannels[].inputChannels", "remixSettings.channelMapping.outputChannels[].inputChannelsFineTune")
	for _, member := range []string{"Audio", "Data"} {
		r.no("remixSettings.audioDescription"+member+"Channel", "audio description signals are not decoded; mix the description in with channelMapping")
	}
	r.no("hlsRenditionGroupSettings", "HLS packages are no inputs")

	r.prefix = "inputs[].videoSelector."
	r.any("colorSpace", "colorSpaceUsage", "rotate", "alphaBehavior", "sampleRange")
	r.some("embeddedTimecodeOverride", only("NONE"), "")
	r.some("padVideo", only("DISABLED"), "")
	r.some("selectorType", only("AUTO"), "")
	r.some("programNumber", between(0, 1), "the first program is used")
	r.any("maxLuminance", "hdr10Metadata.maxContentLightLevel", "hdr10Metadata.maxLuminance") // where tone mapping ends
	for _, name := range []string{
		"bluePrimaryX", "bluePrimaryY", "greenPrimaryX", "greenPrimaryY", "redPrimaryX", "redPrimaryY",
		"whitePointX", "whitePointY", "maxFrameAverageLightLevel", "minLuminance",
	} {
		r.soft("hdr10Metadata."+name, values{}, anything(), "has no effect: the output is SDR, made from the samples")
	}
	r.no("streams", "")
	return r.list
}

func groupRows() []row {
	r := &rows{prefix: "outputGroups[]."}
	r.any("name", "customName")
	r.no("automatedEncodingSettings", "name the outputs of the ladder")

	r.prefix = "outputGroups[].outputGroupSettings."
	r.some("type", only("HLS_GROUP_SETTINGS", "CMAF_GROUP_SETTINGS", "DASH_ISO_GROUP_SETTINGS", "FILE_GROUP_SETTINGS"), "use HLS_GROUP_SETTINGS, CMAF_GROUP_SETTINGS or DASH_ISO_GROUP_SETTINGS")
	r.no("msSmoothGroupSettings", "use cmafGroupSettings, or dashIsoGroupSettings")
	r.no("perFrameMetrics", "")

	for _, group := range []string{"fileGroupSettings.", "hlsGroupSettings.", "cmafGroupSettings.", "dashIsoGroupSettings."} {
		r.prefix = "outputGroups[].outputGroupSettings." + group
		r.any("destination")
		s3 := "destinationSettings.s3Settings."
		r.soft(s3+"accessControl.cannedAcl", only("BUCKET_OWNER_READ", "BUCKET_OWNER_FULL_CONTROL"), values{}, "")
		r.soft(s3+"storageClass", only("STANDARD"), anything(), "is stored as STANDARD: there is one storage class")
		r.no(s3+"encryption", "server-side encryption is not implemented; encrypt the disk of the data folder")
	}

	r.prefix = "outputGroups[].outputGroupSettings.hlsGroupSettings."
	r.any("segmentLength", "segmentLengthControl", "minSegmentLength", "minFinalSegmentLength", "manifestDurationFormat", "targetDurationCompatibilityMode")
	r.any("codecSpecification") // the two agree on the codecs that are made here
	r.any("outputSelection", "directoryStructure", "segmentsPerSubdirectory", "segmentControl", "manifestCompression")
	r.any("programDateTime", "programDateTimePeriod", "streamInfResolution", "clientCache", "baseUrl", "timestampDeltaMilliseconds")
	r.any("additionalManifests[].manifestNameModifier", "additionalManifests[].selectedOutputs")
	drm := "a static key with METHOD=AES-128 is supported: type STATIC_KEY, encryptionMethod AES128, staticKeyProvider"
	r.some("encryption.type", only("STATIC_KEY"), drm)
	r.some("encryption.encryptionMethod", only("AES128"), drm)
	r.any("encryption.constantInitializationVector", "encryption.initializationVectorInManifest", "encryption.offlineEncrypted")
	r.any("encryption.staticKeyProvider.keyFormat", "encryption.staticKeyProvider.keyFormatVersions", "encryption.staticKeyProvider.staticKeyValue", "encryption.staticKeyProvider.url")
	r.no("encryption.spekeKeyProvider", drm)
	r.soft("progressiveWriteHlsManifest", only("DISABLED"), only("ENABLED"), "has no effect: playlists are published when the job is complete")
	r.any("timedMetadataId3Frame", "timedMetadataId3Period") // there is no timed metadata; inserting any is refused
	r.soft("captionLanguageSetting", only("NONE", "OMIT"), only("INSERT"), "has no effect: outputs have no embedded captions in this version")
	r.any("captionSegmentLengthControl")
	r.soft("audioOnlyHeader", only("INCLUDE"), only("EXCLUDE"), "has no effect: segments of sound alone begin with the tag of RFC 8216, which players need")
	r.soft("adMarkers", values{}, anything(), "has no effect: ad markers are not passed through")
	r.some("imageBasedTrickPlay", only("NONE"), "")
	r.no("imageBasedTrickPlaySettings", "")
	r.no("captionLanguageMappings", "captions come in a later version")
	return slices.Concat(r.list, fragmentRows())
}

// fragmentRows are of the groups whose outputs are in fragmented MP4.
func fragmentRows() []row {
	r := &rows{}
	for _, group := range []string{"cmafGroupSettings.", "dashIsoGroupSettings."} {
		r.prefix = "outputGroups[].outputGroupSettings." + group
		r.any("segmentLength", "segmentLengthControl", "minFinalSegmentLength", "fragmentLength", "segmentControl", "baseUrl")
		r.any("additionalManifests[].manifestNameModifier", "additionalManifests[].selectedOutputs")
		r.any("mpdProfile", "mpdManifestBandwidthType", "minBufferTime", "videoCompositionOffsets", "writeSegmentTimelineInRepresentation")
		r.soft("dashManifestStyle", only("BASIC"), anything(), "has no effect: each Representation tells of its segments")
		r.soft("ptsOffsetHandlingForBFrames", only("ZERO_BASED"), only("MATCH_INITIAL_PTS"), "is the same here: the first picture is shown at 0")
		r.some("imageBasedTrickPlay", only("NONE"), "")
		r.no("imageBasedTrickPlaySettings", "")
		r.no("dashIFrameTrickPlayNameModifier", "")
		r.no("encryption", "an HLS group can be encrypted with a static key")
	}
	r.prefix = "outputGroups[].outputGroupSettings.cmafGroupSettings."
	r.any("manifestDurationFormat", "targetDurationCompatibilityMode", "manifestCompression", "streamInfResolution", "clientCache")
	r.any("codecSpecification") // the two agree on the codecs that are made here
	r.any("writeDashManifest", "writeHlsManifest")
	r.prefix = "outputGroups[].outputGroupSettings.dashIsoGroupSettings."
	r.soft("audioChannelConfigSchemeIdUri", only("MPEG_CHANNEL_CONFIGURATION"), only("DOLBY_CHANNEL_CONFIGURATION"), "has no effect: it is of Dolby's codecs, and the sound is AAC")
	r.some("hbbtvCompliance", only("NONE"), "")

	r.prefix = "outputGroups[].outputs[].containerSettings.cmfcSettings."
	r.any("audioGroupId", "audioRenditionSets", "audioTrackType", "descriptiveVideoServiceFlag")
	r.some("iFrameOnlyManifest", only("EXCLUDE", "INCLUDE"), "use INCLUDE")
	for _, container := range []string{"cmfcSettings.", "mpdSettings."} {
		r.prefix = "outputGroups[].outputs[].containerSettings." + container
		r.any("audioDuration") // audio is as long as the video either way, to the frame
		r.some("c2paManifest", only("EXCLUDE"), "")
		r.some("klvMetadata", only("NONE"), "metadata is not passed through")
		r.some("scte35Esam", only("NONE"), "ad markers are not passed through")
		r.some("scte35Source", only("NONE"), "ad markers are not passed through")
		r.some("timedMetadata", only("NONE"), "metadata is not passed through")
		r.soft("manifestMetadataSignaling", only("DISABLED"), only("ENABLED"), "has no effect: there are no event messages to tell of")
	}
	r.any("captionContainerType") // of captions, which are refused
	r.soft("accessibilityCaptionHints", only("EXCLUDE"), only("INCLUDE"), "has no effect: outputs have no embedded captions in this version")
	return r.list
}

func containerRows() []row {
	r := &rows{prefix: "outputGroups[].outputs[]."}
	r.any("nameModifier", "extension")
	r.any("preset") // laid below the output; a name that is not there is a fault
	for _, member := range []string{"captionSelectorName", "languageCode", "customLanguageCode", "languageDescription"} {
		r.any("captionDescriptions[]." + member)
	}
	r.some("captionDescriptions[].destinationSettings.destinationType", only("EMBEDDED"), "captions of other kinds come in a later version")
	r.soft("captionDescriptions[].destinationSettings.embeddedDestinationSettings", values{}, anything(), "has no effect: captions stay on the channels where they are")

	r.prefix = "outputGroups[].outputs[].outputSettings.hlsSettings."
	r.any("segmentModifier", "iFrameOnlyManifest")
	r.any("audioGroupId", "audioRenditionSets", "audioOnlyContainer", "audioTrackType", "descriptiveVideoServiceFlag")

	r.prefix = "outputGroups[].outputs[].containerSettings."
	r.some("container", only("M3U8", "CMFC", "MPD", "MP4", "M2TS", "RAW"), "use M3U8 in HLS groups, CMFC in CMAF, MPD in DASH ISO, MP4, M2TS or RAW in file groups")

	r.prefix = "outputGroups[].outputs[].containerSettings.mp4Settings."
	r.any("moovPlacement", "freeSpaceBox", "cslgAtom", "mp4MajorBrand")
	r.soft("cttsVersion", number(1), number(0), "is what cslgAtom EXCLUDE has: offsets below zero are those of version 1")
	r.any("audioDuration") // audio is as long as the video either way, to the sample where the container can say so, else to the frame
	r.some("c2paManifest", only("EXCLUDE"), "")

	r.prefix = "outputGroups[].outputs[].containerSettings.m2tsSettings."
	r.some("audioFramesPerPes", between(0, 64), "")
	r.any("pmtPid", "videoPid", "audioPids", "programNumber", "ptsOffset", "ptsOffsetMode", "transportStreamId", "patInterval", "pmtInterval")
	r.soft("audioBufferModel", values{}, anything(), "has no effect: the clock is what keeps buffers")
	r.any("audioDuration") // audio is as long as the video either way, to the frame
	r.some("audioPtsOffsetDelta", number(0), "")
	r.soft("bitrate", number(0), anything(), "has no effect: the stream has the bits that it needs (rateMode VBR)")
	r.soft("bufferModel", values{}, anything(), "has no effect: the clock is what keeps buffers")
	r.any("dataPTSControl", "privateMetadataPid", "scte35Pid", "timedMetadataPid", "dvbSubPids", "dvbTeletextPid") // of streams that are refused
	r.no("dvbNitSettings", "")
	r.no("dvbSdtSettings", "")
	r.no("dvbTdtSettings", "")
	r.soft("ebpAudioInterval", values{}, anything(), "has no effect: no encoder boundary points are written")
	r.soft("ebpPlacement", values{}, anything(), "has no effect: no encoder boundary points are written")
	r.soft("esRateInPes", only("EXCLUDE"), only("INCLUDE"), "has no effect: no rate is written")
	r.soft("forceTsVideoEbpOrder", values{}, anything(), "has no effect: no encoder boundary points are written")
	r.soft("fragmentTime", values{}, anything(), "has no effect: no encoder boundary points are written")
	r.some("klvMetadata", only("NONE"), "metadata is not passed through")
	r.any("maxPcrInterval") // met by a PCR in every video frame
	r.soft("minEbpInterval", values{}, anything(), "has no effect: no encoder boundary points are written")
	r.some("nielsenId3", only("NONE"), "")
	r.soft("nullPacketBitrate", number(0), anything(), "has no effect: no null packets are written")
	r.soft("pcrControl", only("PCR_EVERY_PES_PACKET"), only("CONFIGURED_PCR_PERIOD"), "is answered with a PCR in every video frame, which is more often")
	r.soft("pcrPid", values{}, anything(), "has no effect: the PCR is carried with the video")
	r.any("preventBufferUnderflow") // the clock does
	r.some("rateMode", only("VBR"), "a constant rate of the whole stream is not implemented; the video's can be (rateControlMode CBR)")
	r.no("scte35Esam", "ad markers are not passed through")
	r.some("scte35Source", only("NONE"), "ad markers are not passed through")
	r.some("segmentationMarkers", only("NONE"), "segmentation markers are not implemented")
	r.any("segmentationStyle", "segmentationTime") // of markers that are not written

	r.prefix = "outputGroups[].outputs[].containerSettings.m3u8Settings."
	r.some("audioFramesPerPes", between(0, 64), "")
	r.any("pmtPid", "videoPid", "audioPids", "programNumber", "ptsOffset", "ptsOffsetMode", "transportStreamId")
	r.soft("pcrControl", only("PCR_EVERY_PES_PACKET"), only("CONFIGURED_PCR_PERIOD"), "is answered with a PCR in every video frame, which is more often")
	r.any("maxPcrInterval") // met by a PCR in every video frame
	r.any("patInterval", "pmtInterval")
	r.soft("pcrPid", values{}, anything(), "has no effect: the PCR is carried with the video")
	r.any("audioDuration") // audio is as long as the video either way, to the sample where the container can say so, else to the frame
	r.some("audioPtsOffsetDelta", number(0), "")
	r.any("dataPTSControl", "privateMetadataPid", "scte35Pid", "timedMetadataPid") // of streams that are refused below
	r.some("scte35Source", only("NONE"), "ad markers are not passed through")
	r.some("timedMetadata", only("NONE"), "")
	r.some("nielsenId3", only("NONE"), "")
	return r.list
}
