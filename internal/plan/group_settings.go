package plan

// SegmentSettings is what the settings of HLS, CMAF and DASH groups have in
// common about segments.
type SegmentSettings struct {
	SegmentLength         int64   `json:"segmentLength"`         // seconds; 0 is 10, in a DASH group 30
	SegmentLengthControl  string  `json:"segmentLengthControl"`  // EXACT (default), GOP_MULTIPLE, MATCH
	MinSegmentLength      int64   `json:"minSegmentLength"`      // seconds; of HLS groups
	MinFinalSegmentLength float64 `json:"minFinalSegmentLength"` // seconds
	FragmentLength        int64   `json:"fragmentLength"`        // seconds; 0 is 2; of CMAF and DASH groups
	SegmentControl        string  `json:"segmentControl"`        // SEGMENTED_FILES (default), SINGLE_FILE
}

// PlaylistSettings is what the settings of HLS and CMAF groups have in common
// about HLS playlists.
type PlaylistSettings struct {
	ManifestDurationFormat          string `json:"manifestDurationFormat"`          // FLOATING_POINT (default), INTEGER
	TargetDurationCompatibilityMode string `json:"targetDurationCompatibilityMode"` // LEGACY (default), SPEC_COMPLIANT
	ManifestCompression             string `json:"manifestCompression"`             // NONE (default), GZIP
	StreamInfResolution             string `json:"streamInfResolution"`             // INCLUDE (default), EXCLUDE
	ClientCache                     string `json:"clientCache"`                     // ENABLED (default), DISABLED
	BaseURL                         string `json:"baseUrl"`
}

// AdditionalManifest is HlsAdditionalManifest, CmafAdditionalManifest and
// DashAdditionalManifest of the API.
type AdditionalManifest struct {
	ManifestNameModifier string   `json:"manifestNameModifier"`
	SelectedOutputs      []string `json:"selectedOutputs"` // NameModifiers; none is all outputs
}

// HLSGroupSettings is HlsGroupSettings of the API.
type HLSGroupSettings struct {
	Destination string `json:"destination"`
	SegmentSettings
	PlaylistSettings
	AdditionalManifests        []AdditionalManifest  `json:"additionalManifests"`
	DirectoryStructure         string                `json:"directoryStructure"`      // SINGLE_DIRECTORY (default), SUBDIRECTORY_PER_STREAM
	SegmentsPerSubdirectory    int64                 `json:"segmentsPerSubdirectory"` // 0 is no limit
	OutputSelection            string                `json:"outputSelection"`         // MANIFESTS_AND_SEGMENTS (default), SEGMENTS_ONLY
	ProgramDateTime            string                `json:"programDateTime"`         // EXCLUDE (default), INCLUDE
	ProgramDateTimePeriod      *int64                `json:"programDateTimePeriod"`   // seconds; nil is 600, 0 is in every segment
	CaptionLanguageSetting     string                `json:"captionLanguageSetting"`  // OMIT (default), NONE, INSERT
	TimestampDeltaMilliseconds int64                 `json:"timestampDeltaMilliseconds"`
	Encryption                 *HLSEncryptionSetting `json:"encryption"`
}

// FragmentSettings is what the settings of CMAF and DASH groups have in common.
type FragmentSettings struct {
	MPDProfile                           string `json:"mpdProfile"`                           // MAIN_PROFILE (default), ON_DEMAND_PROFILE
	MPDManifestBandwidthType             string `json:"mpdManifestBandwidthType"`             // AVERAGE, MAX; "" is the measured peak
	MinBufferTime                        int64  `json:"minBufferTime"`                        // milliseconds; 0 is the longest segment
	VideoCompositionOffsets              string `json:"videoCompositionOffsets"`              // UNSIGNED (default), SIGNED
	WriteSegmentTimelineInRepresentation string `json:"writeSegmentTimelineInRepresentation"` // DISABLED (default), ENABLED
}

// CMAFGroupSettings is CmafGroupSettings of the API.
type CMAFGroupSettings struct {
	Destination string `json:"destination"`
	SegmentSettings
	PlaylistSettings
	FragmentSettings
	AdditionalManifests []AdditionalManifest `json:"additionalManifests"`
	WriteDASHManifest   string               `json:"writeDashManifest"` // ENABLED (default), DISABLED
	WriteHLSManifest    string               `json:"writeHlsManifest"`  // ENABLED (default), DISABLED
}

// DASHGroupSettings is DashIsoGroupSettings of the API.
type DASHGroupSettings struct {
	Destination string `json:"destination"`
	SegmentSettings
	FragmentSettings
	BaseURL             string               `json:"baseUrl"`
	AdditionalManifests []AdditionalManifest `json:"additionalManifests"`
}

// HLSEncryptionSetting is HlsEncryptionSettings of the API.
type HLSEncryptionSetting struct {
	Type                           string `json:"type"`                           // STATIC_KEY
	EncryptionMethod               string `json:"encryptionMethod"`               // AES128
	ConstantInitializationVector   string `json:"constantInitializationVector"`   // 32 hexadecimal digits; "" is the segment's number
	InitializationVectorInManifest string `json:"initializationVectorInManifest"` // INCLUDE (default), EXCLUDE
	OfflineEncrypted               string `json:"offlineEncrypted"`               // DISABLED (default), ENABLED
	StaticKeyProvider              struct {
		KeyFormat         string `json:"keyFormat"`
		KeyFormatVersions string `json:"keyFormatVersions"`
		StaticKeyValue    string `json:"staticKeyValue"` // 32 hexadecimal digits
		URL               string `json:"url"`
	} `json:"staticKeyProvider"`
}

// TimecodeConfig is TimecodeConfig of the API: what the outputs' clock starts at.
type TimecodeConfig struct {
	Source          string `json:"source"`          // EMBEDDED (default), ZEROBASED, SPECIFIEDSTART
	Start           string `json:"start"`           // HH:MM:SS:FF, with SPECIFIEDSTART
	TimestampOffset string `json:"timestampOffset"` // yyyy-mm-dd
}
