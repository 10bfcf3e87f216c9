package mediaconvert

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
)

// checkRules adds the faults that no member has alone: what the service requires
// though the model does not say so, and what must fit together. Several are
// known from the service's answers only; the rest is in the user guide.
func checkRules(s *mc.JobSettings, f *Findings) {
	checkInputs(s, f)
	if s.OutputGroups == nil {
		f.fault("", "outputGroups is a required property")
	} else if len(s.OutputGroups) == 0 {
		f.fault("/outputGroups", "Should have at least 1 items")
	}
	for i, g := range s.OutputGroups {
		checkGroup(fmt.Sprintf("/outputGroups/%d", i), g, s, f)
	}
	checkNames(s, f)
}

func checkInputs(s *mc.JobSettings, f *Findings) {
	switch {
	case s.Inputs == nil:
		f.fault("", "inputs is a required property")
	case len(s.Inputs) == 0:
		f.fault("/inputs", "Should have at least 1 items")
	}
	if c := s.TimecodeConfig; c != nil && c.Source == mc.TimecodeSourceSpecifiedstart && c.Start == nil {
		f.fault("/timecodeConfig", "start is a required property")
	}
	if n := s.FollowSource; n != nil && int(*n) > len(s.Inputs) {
		f.fault("/followSource", "%d is no input (the job has %d)", *n, len(s.Inputs))
	}
	for i, in := range s.Inputs {
		at := fmt.Sprintf("/inputs/%d", i)
		if in.FileInput == nil {
			f.fault(at, "fileInput is a required property")
		} else if problem := inputProblem(*in.FileInput); problem != "" {
			f.fault(at+"/fileInput", "%s", problem)
		}
		for name, r := range map[string]*mc.Rectangle{"crop": in.Crop, "position": in.Position} {
			checkRectangle(at+"/"+name, r, f)
		}
		checkImages(at+"/imageInserter", in.ImageInserter, f)
		for name, a := range in.AudioSelectors {
			checkSelector(at+"/audioSelectors/"+name, a, f)
		}
		checkAudioGroups(at, in, f)
		if in.TimecodeSource == mc.InputTimecodeSourceSpecifiedstart && in.TimecodeStart == nil {
			f.fault(at, "timecodeStart is a required property")
		}
		for j, c := range in.InputClippings {
			if c.StartTimecode == nil && c.EndTimecode == nil {
				f.fault(fmt.Sprintf("%s/inputClippings/%d", at, j), "startTimecode or endTimecode is a required property")
			}
		}
	}
}

func checkSelector(at string, a *mc.AudioSelector, f *Findings) {
	switch a.SelectorType {
	case mc.AudioSelectorTypePid:
		if len(a.Pids) == 0 {
			f.fault(at, "pids is a required property")
		}
	case mc.AudioSelectorTypeStream:
		if len(a.Streams) == 0 {
			f.fault(at, "streams is a required property")
		}
	case mc.AudioSelectorTypeLanguage_Code:
		if a.LanguageCode == "" && a.CustomLanguageCode == nil {
			f.fault(at, "languageCode is a required property")
		}
	}
	if a.ExternalAudioFileInput != nil {
		if problem := inputProblem(*a.ExternalAudioFileInput); problem != "" {
			f.fault(at+"/externalAudioFileInput", "%s", problem)
		}
	}
	checkRemix(at+"/remixSettings", a.RemixSettings, f)
}

// inputProblem says what is wrong with the URI of an input, "" if nothing.
func inputProblem(uri string) string {
	scheme, rest, _ := strings.Cut(uri, "://")
	switch strings.ToLower(scheme) {
	case "s3":
		bucket, key, _ := strings.Cut(rest, "/")
		if !bucketName(bucket) {
			return fmt.Sprintf("%q is not a bucket name", bucket)
		}
		if key == "" || strings.HasSuffix(key, "/") {
			return "Should name an object: s3://bucket/key"
		}
	case "http", "https":
		u, err := url.Parse(uri)
		if err != nil || u.Hostname() == "" {
			return "Should be a URL: https://host/path"
		}
	default:
		return "Should begin with s3://, https:// or http://"
	}
	return ""
}

// bucketName reports whether s can be the name of a bucket: 3 to 63 of a-z, 0-9,
// dot and dash, beginning and ending with a letter or digit.
func bucketName(s string) bool {
	alnum := func(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }
	if len(s) < 3 || len(s) > 63 || !alnum(s[0]) || !alnum(s[len(s)-1]) || strings.Contains(s, "..") {
		return false
	}
	for i := range len(s) {
		if !alnum(s[i]) && s[i] != '.' && s[i] != '-' {
			return false
		}
	}
	return true
}

func checkGroup(at string, g *mc.OutputGroup, s *mc.JobSettings, f *Findings) {
	if g.Outputs == nil {
		f.fault(at, "outputs is a required property")
	} else if len(g.Outputs) == 0 {
		f.fault(at+"/outputs", "Should have at least 1 items")
	}
	gs := g.OutputGroupSettings
	if gs == nil {
		f.fault(at, "outputGroupSettings is a required property")
		return
	}
	at2 := at + "/outputGroupSettings"
	own := ""
	for _, m := range groupMembers(gs) {
		if m.kind == gs.Type {
			own = m.name
			if !m.given {
				f.fault(at2, "%s is a required property", m.name)
			} else {
				checkDestination(at2+"/"+m.name, m.destination, f)
				if b := m.baseURL; b != nil && (strings.HasPrefix(*b, "#") || strings.ContainsFunc(*b, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '"' })) {
					f.fault(at2+"/"+m.name+"/baseUrl", "Should be the beginning of a URI, without spaces or quotes")
				}
			}
			continue
		}
		belongs(at2, m.name, m.given && gs.Type != "", string(gs.Type), f)
	}
	switch {
	case gs.Type == "":
		f.fault(at2, "type is a required property")
	case own == "":
		return // refused by the table; its outputs follow other rules
	case own == "hlsGroupSettings" && gs.HlsGroupSettings != nil:
		if gs.HlsGroupSettings.MinSegmentLength == nil {
			f.fault(at2+"/hlsGroupSettings", "minSegmentLength is a required property")
		}
		checkHLS(at, g, f)
	case own == "cmafGroupSettings" && gs.CmafGroupSettings != nil:
		checkCMAF(at, g, f)
	case own == "dashIsoGroupSettings" && gs.DashIsoGroupSettings != nil:
		checkDASH(at, g, f)
	}
	for i, o := range g.Outputs {
		checkOutput(at+"/outputs/"+strconv.Itoa(i), o, gs.Type, s, f)
	}
}

// belongs refuses a member that has no meaning beside another: nothing is silently ignored.
func belongs(at, member string, given bool, to string, f *Findings) {
	if given {
		f.fault(at+"/"+member, "does not belong to %s", to)
	}
}

func checkDestination(at string, destination *string, f *Findings) {
	if destination == nil {
		f.fault(at, "destination is a required property")
		return
	}
	rest, ok := strings.CutPrefix(*destination, "s3://")
	bucket, key, _ := strings.Cut(rest, "/")
	switch {
	case !ok:
		f.fault(at+"/destination", "%q Should begin with s3://", *destination)
	case !bucketName(bucket):
		f.fault(at+"/destination", "%q is not a bucket name", bucket)
	case uncleanKey(key):
		f.fault(at+"/destination", "%q is not a clean path: no empty, \".\" or \"..\" parts", key)
	case len(key) > 900: // of the 1,024 that a key may have, for what is added
		f.fault(at+"/destination", "Should be at most 900 characters long after the bucket")
	}
}

// uncleanKey reports parts that a file system would read as something else.
func uncleanKey(key string) bool {
	parts := strings.Split(key, "/")
	for i, p := range parts {
		if p == "." || p == ".." || (p == "" && i != len(parts)-1) || strings.ContainsAny(p, "\x00\n\r") {
			return true
		}
	}
	return false
}

func checkOutput(at string, o *mc.Output, group mc.OutputGroupType, s *mc.JobSettings, f *Findings) {
	if o.Preset != nil {
		f.fault(at+"/preset", "%s cannot be looked up without a server: put the preset's settings into the output", *o.Preset)
		return // the preset would bring what is missing
	}
	c := o.ContainerSettings
	if c == nil {
		f.fault(at, "containerSettings is a required property")
		return
	}
	containerAt := at + "/containerSettings"
	hls := group == mc.OutputGroupTypeHls_Group_Settings
	switch c.Container {
	case "":
		f.fault(containerAt, "container is a required property")
	case mc.ContainerTypeM3u8:
		if !hls {
			f.fault(containerAt+"/container", "M3U8 does not belong to %s", group)
		}
		belongs(containerAt, "mp4Settings", c.Mp4Settings != nil, "M3U8", f)
		if c.M3u8Settings != nil {
			checkPIDs(containerAt+"/m3u8Settings", c.M3u8Settings, len(o.AudioDescriptions), f)
		}
	case mc.ContainerTypeCmfc, mc.ContainerTypeMpd:
		if group == mc.OutputGroupTypeFile_Group_Settings || hls || c.Container == mc.ContainerTypeMpd && group == mc.OutputGroupTypeCmaf_Group_Settings {
			f.fault(containerAt+"/container", "%s does not belong to %s", c.Container, group)
		}
	case mc.ContainerTypeM2ts:
		if group != mc.OutputGroupTypeFile_Group_Settings {
			f.fault(containerAt+"/container", "M2TS does not belong to %s", group)
		}
	case mc.ContainerTypeMp4:
		if b := c.Mp4Settings; b != nil && b.Mp4MajorBrand != nil && len(*b.Mp4MajorBrand) != 4 {
			f.fault(containerAt+"/mp4Settings/mp4MajorBrand", "Should be four characters")
		}
		if group != mc.OutputGroupTypeFile_Group_Settings {
			f.fault(containerAt+"/container", "MP4 does not belong to %s", group)
		}
		belongs(containerAt, "m3u8Settings", c.M3u8Settings != nil, "MP4", f)
	case mc.ContainerTypeRaw:
		if group != mc.OutputGroupTypeFile_Group_Settings {
			f.fault(containerAt+"/container", "RAW in %s is not implemented yet", group)
		}
		belongs(containerAt, "m3u8Settings", c.M3u8Settings != nil, "RAW", f)
		belongs(containerAt, "mp4Settings", c.Mp4Settings != nil, "RAW", f)
	}
	if slices.Contains([]mc.ContainerType{mc.ContainerTypeM2ts, mc.ContainerTypeCmfc, mc.ContainerTypeMpd}, c.Container) {
		belongs(containerAt, "m3u8Settings", c.M3u8Settings != nil, string(c.Container), f)
		belongs(containerAt, "mp4Settings", c.Mp4Settings != nil, string(c.Container), f)
	}
	belongs(containerAt, "m2tsSettings", c.M2tsSettings != nil && c.Container != mc.ContainerTypeM2ts, string(c.Container), f)
	belongs(containerAt, "cmfcSettings", c.CmfcSettings != nil && c.Container != mc.ContainerTypeCmfc, string(c.Container), f)
	belongs(containerAt, "mpdSettings", c.MpdSettings != nil && c.Container != mc.ContainerTypeMpd, string(c.Container), f)
	if !hls && o.OutputSettings != nil && o.OutputSettings.HlsSettings != nil {
		belongs(at+"/outputSettings", "hlsSettings", true, string(group), f)
	}
	if o.VideoDescription == nil {
		checkAudioOnly(at, o, hls, f)
	} else {
		checkVideo(at+"/videoDescription", o.VideoDescription, c.Container, f)
		if len(o.AudioDescriptions) > 0 && c.Container == mc.ContainerTypeRaw {
			f.fault(at+"/audioDescriptions", "does not belong to pictures in RAW")
		}
	}
	for i, a := range o.AudioDescriptions {
		checkAudio(fmt.Sprintf("%s/audioDescriptions/%d", at, i), a, s, f)
	}
}

// checkPIDs compares the packet identifiers that a stream uses.
func checkPIDs(at string, m *mc.M3u8Settings, audios int, f *Findings) {
	or := func(p *int32, fallback int32) int32 {
		if p == nil {
			return fallback
		}
		return *p
	}
	pmt, video := or(m.PmtPid, 480), or(m.VideoPid, 481)
	used := []int32{pmt, video}
	audio := m.AudioPids
	if len(audio) == 0 {
		audio = []int32{482} // and on; what is taken is passed over
	}
	used = append(used, audio[:min(audios, len(audio))]...)
	slices.Sort(used)
	if len(slices.Compact(slices.Clone(used))) < len(used) {
		f.fault(at, "pmtPid %d, videoPid %d and the first %d of audioPids %v Should differ", pmt, video, max(min(audios, len(audio)), 1), audio)
	}
}

func checkVideo(at string, v *mc.VideoDescription, container mc.ContainerType, f *Findings) {
	for name, n := range map[string]*int32{"width": v.Width, "height": v.Height} {
		if n != nil && *n%2 != 0 {
			f.fault(at+"/"+name, "Should be an even number")
		}
	}
	for name, r := range map[string]*mc.Rectangle{"crop": v.Crop, "position": v.Position} {
		checkRectangle(at+"/"+name, r, f)
	}
	if p := v.VideoPreprocessors; p != nil {
		if p.NoiseReducer != nil && p.NoiseReducer.Filter == "" {
			f.fault(at+"/videoPreprocessors/noiseReducer", "filter is a required property")
		}
		checkImages(at+"/videoPreprocessors/imageInserter", p.ImageInserter, f)
	}
	c := v.CodecSettings
	if c == nil {
		f.fault(at, "codecSettings is a required property")
		return
	}
	at += "/codecSettings"
	switch c.Codec {
	case "":
		f.fault(at, "codec is a required property")
	case mc.VideoCodecH_264:
		belongs(at, "frameCaptureSettings", c.FrameCaptureSettings != nil, "H_264", f)
		if container == mc.ContainerTypeRaw {
			f.fault(at+"/codec", "H_264 in a RAW container is not implemented yet (use MP4)")
		}
		if c.H264Settings == nil {
			f.fault(at, "h264Settings is a required property")
			return
		}
		checkH264(at+"/h264Settings", c.H264Settings, f)
	case mc.VideoCodecFrame_Capture:
		belongs(at, "h264Settings", c.H264Settings != nil, "FRAME_CAPTURE", f)
		if container != mc.ContainerTypeRaw && container != "" {
			f.fault(at+"/codec", "FRAME_CAPTURE does not belong to %s (use RAW)", container)
		}
	}
}

// checkImages holds images against what is required of each.
func checkImages(at string, s *mc.ImageInserter, f *Findings) {
	if s == nil {
		return
	}
	if len(s.InsertableImages) == 0 {
		f.fault(at+"/insertableImages", "Should have at least 1 items")
	}
	for i, image := range s.InsertableImages {
		here := fmt.Sprintf("%s/insertableImages/%d", at, i)
		for _, m := range []struct {
			name    string
			missing bool
		}{{"imageInserterInput", image.ImageInserterInput == nil}, {"imageX", image.ImageX == nil}, {"imageY", image.ImageY == nil}} {
			if m.missing {
				f.fault(here, "%s is a required property", m.name)
			}
		}
		if uri := image.ImageInserterInput; uri != nil {
			name, _, _ := strings.Cut(*uri, "?")
			if problem := inputProblem(*uri); problem != "" {
				f.fault(here+"/imageInserterInput", "%s", problem)
			} else if !strings.HasSuffix(strings.ToLower(name), ".png") {
				f.fault(here+"/imageInserterInput", "%s is not implemented yet (use a PNG)", strings.ToUpper(strings.TrimPrefix(path.Ext(name), ".")))
			}
		}
	}
}

// checkRectangle holds a rectangle against what the service says of all; whether it
// is inside of its picture is known when the source is.
func checkRectangle(at string, r *mc.Rectangle, f *Findings) {
	if r == nil {
		return
	}
	for _, m := range []struct {
		name  string
		value *int32
	}{{"x", r.X}, {"y", r.Y}, {"width", r.Width}, {"height", r.Height}} {
		switch {
		case m.value == nil && len(m.name) == 1: // the corner
		case m.value == nil:
			f.fault(at, "%s is a required property", m.name)
		case *m.value%2 != 0:
			f.fault(at+"/"+m.name, "Should be an even number")
		}
	}
}

func checkH264(at string, h *mc.H264Settings, f *Findings) {
	required := func(name string, given bool) {
		if !given {
			f.fault(at, "%s is a required property", name)
		}
	}
	mode := h.RateControlMode
	if mode == "" { // a cap alone is what QVBR has, a target what VBR has
		mode = mc.H264RateControlModeVbr
		if h.MaxBitrate != nil && h.Bitrate == nil {
			mode = mc.H264RateControlModeQvbr
		}
	}
	switch mode {
	case mc.H264RateControlModeQvbr:
		required("maxBitrate", h.MaxBitrate != nil)
		belongs(at, "bitrate", h.Bitrate != nil, "QVBR", f)
	case mc.H264RateControlModeCbr:
		required("bitrate", h.Bitrate != nil)
		belongs(at, "maxBitrate", h.MaxBitrate != nil && (h.Bitrate == nil || *h.MaxBitrate != *h.Bitrate), "CBR", f)
	case mc.H264RateControlModeVbr:
		required("bitrate", h.Bitrate != nil)
		if h.Bitrate != nil && h.MaxBitrate != nil && *h.MaxBitrate < *h.Bitrate {
			f.fault(at+"/maxBitrate", "Should be greater than or equal to bitrate")
		}
	}
	belongs(at, "qvbrSettings", h.QvbrSettings != nil && mode != mc.H264RateControlModeQvbr, string(mode), f)
	if q := h.QvbrSettings; q != nil && q.QvbrQualityLevelFineTune != nil {
		if t := *q.QvbrQualityLevelFineTune; t < 0 || t >= 1 {
			f.fault(at+"/qvbrSettings/qvbrQualityLevelFineTune", "Should be between 0 and 0.67")
		} else if t > 0 && q.QvbrQualityLevel == nil {
			f.fault(at+"/qvbrSettings", "qvbrQualityLevel is a required property")
		} else if t > 0 && *q.QvbrQualityLevel == 10 {
			f.fault(at+"/qvbrSettings/qvbrQualityLevelFineTune", "Should be 0 where qvbrQualityLevel is 10")
		}
	}
	if q := h.QvbrSettings; q != nil && q.MaxAverageBitrate != nil {
		belongs(at+"/qvbrSettings", "maxAverageBitrate", h.QualityTuningLevel != mc.H264QualityTuningLevelMulti_Pass_Hq, "a qualityTuningLevel other than MULTI_PASS_HQ", f)
	}
	if s := h.Softness; s != nil && *s != 0 {
		if *s != 1 && *s < 16 {
			f.fault(at+"/softness", "Should be 0, 1 or 16 to 128")
		}
		belongs(at, "softness", h.CodecProfile == "" || h.CodecProfile == mc.H264CodecProfileMain || h.CodecProfile == mc.H264CodecProfileBaseline, "MAIN (use HIGH)", f)
	}
	if h.FramerateControl == mc.H264FramerateControlSpecified {
		required("framerateNumerator", h.FramerateNumerator != nil)
		required("framerateDenominator", h.FramerateDenominator != nil)
		if n, d := h.FramerateNumerator, h.FramerateDenominator; n != nil && d != nil && *n > 0 && *d > 0 {
			if rate := float64(*n) / float64(*d); rate < 1 || rate > 120 {
				f.fault(at+"/framerateNumerator", "the frame rate Should be between 1 and 120 frames a second")
			}
		}
	}
	if h.ParControl == mc.H264ParControlSpecified {
		required("parNumerator", h.ParNumerator != nil)
		required("parDenominator", h.ParDenominator != nil)
	}
	if h.GopSize != nil && (*h.GopSize <= 0 || *h.GopSize > 10000) && h.GopSizeUnits != mc.H264GopSizeUnitsAuto {
		f.fault(at+"/gopSize", "Should be greater than 0 and at most 10000")
	}
	if h.CodecProfile == mc.H264CodecProfileBaseline {
		if h.InterlaceMode != "" && h.InterlaceMode != mc.H264InterlaceModeProgressive {
			f.fault(at+"/interlaceMode", "%s does not belong to BASELINE (use MAIN or HIGH)", h.InterlaceMode)
		}
		if h.EntropyEncoding == mc.H264EntropyEncodingCabac {
			f.fault(at+"/entropyEncoding", "CABAC does not belong to BASELINE")
		}
		if n := h.NumberBFramesBetweenReferenceFrames; n != nil && *n > 0 {
			f.fault(at+"/numberBFramesBetweenReferenceFrames", "Should be 0 in BASELINE")
		}
	}
}
