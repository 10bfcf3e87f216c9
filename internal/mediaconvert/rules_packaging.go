package mediaconvert

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
	"vodwright.dev/vodwright/internal/plan"
)

// groupMember is the settings of one type of output group.
type groupMember struct {
	kind        mc.OutputGroupType
	name        string
	given       bool
	destination *string
	baseURL     *string
}

// groupMembers lists the settings of the types of output groups that are made here.
func groupMembers(gs *mc.OutputGroupSettings) []groupMember {
	out := []groupMember{
		{mc.OutputGroupTypeHls_Group_Settings, "hlsGroupSettings", gs.HlsGroupSettings != nil, nil, nil},
		{mc.OutputGroupTypeCmaf_Group_Settings, "cmafGroupSettings", gs.CmafGroupSettings != nil, nil, nil},
		{mc.OutputGroupTypeDash_Iso_Group_Settings, "dashIsoGroupSettings", gs.DashIsoGroupSettings != nil, nil, nil},
		{mc.OutputGroupTypeFile_Group_Settings, "fileGroupSettings", gs.FileGroupSettings != nil, nil, nil},
	}
	if s := gs.HlsGroupSettings; s != nil {
		out[0].destination, out[0].baseURL = s.Destination, s.BaseUrl
	}
	if s := gs.CmafGroupSettings; s != nil {
		out[1].destination, out[1].baseURL = s.Destination, s.BaseUrl
	}
	if s := gs.DashIsoGroupSettings; s != nil {
		out[2].destination, out[2].baseURL = s.Destination, s.BaseUrl
	}
	if s := gs.FileGroupSettings; s != nil {
		out[3].destination = s.Destination
	}
	return out
}

// checkCMAF checks what the members of a CMAF group have to do with each other.
func checkCMAF(at string, g *mc.OutputGroup, f *Findings) {
	s := g.OutputGroupSettings.CmafGroupSettings
	at2 := at + "/outputGroupSettings/cmafGroupSettings"
	for i, m := range s.AdditionalManifests {
		checkAdditionalManifest(fmt.Sprintf("%s/additionalManifests/%d", at2, i), m.ManifestNameModifier, m.SelectedOutputs, g, f)
	}
	if s.MpdProfile == mc.CmafMpdProfileOn_Demand_Profile && s.SegmentControl != mc.CmafSegmentControlSingle_File {
		f.fault(at2+"/mpdProfile", "ON_DEMAND_PROFILE needs segmentControl SINGLE_FILE")
	}
	noHLS := s.WriteHlsManifest == mc.CmafWriteHLSManifestDisabled
	if noHLS && s.WriteDashManifest == mc.CmafWriteDASHManifestDisabled {
		f.fault(at2, "writeHlsManifest and writeDashManifest are both DISABLED: nothing would tell players of the segments")
	}
	if s.SegmentLengthControl == mc.CmafSegmentLengthControlMatch {
		checkMatch(at2+"/segmentLengthControl", g, f)
	}
	for i, o := range g.Outputs {
		if c := o.ContainerSettings; noHLS && c != nil && c.CmfcSettings != nil && c.CmfcSettings.IFrameOnlyManifest == mc.CmfcIFrameOnlyManifestInclude {
			f.fault(fmt.Sprintf("%s/outputs/%d/containerSettings/cmfcSettings/iFrameOnlyManifest", at, i), "INCLUDE does not belong to writeHlsManifest DISABLED")
		}
	}
}

// checkDASH checks what the members of a DASH group have to do with each other.
func checkDASH(at string, g *mc.OutputGroup, f *Findings) {
	s := g.OutputGroupSettings.DashIsoGroupSettings
	at2 := at + "/outputGroupSettings/dashIsoGroupSettings"
	for i, m := range s.AdditionalManifests {
		checkAdditionalManifest(fmt.Sprintf("%s/additionalManifests/%d", at2, i), m.ManifestNameModifier, m.SelectedOutputs, g, f)
	}
	single := s.SegmentControl == mc.DashIsoSegmentControlSingle_File
	if s.MpdProfile == mc.DashIsoMpdProfileOn_Demand_Profile && !single {
		f.fault(at2+"/mpdProfile", "ON_DEMAND_PROFILE needs segmentControl SINGLE_FILE")
	}
	if s.SegmentLengthControl == mc.DashIsoSegmentLengthControlMatch {
		checkMatch(at2+"/segmentLengthControl", g, f)
	}
	numbered := 0
	for i, o := range g.Outputs {
		if o.NameModifier == nil {
			continue
		}
		yes, _ := plan.CheckDASHName(*o.NameModifier) // what is wrong with it is told by checkNames
		if yes {
			numbered++
		}
		here := fmt.Sprintf("%s/outputs/%d/nameModifier", at, i)
		if yes && single {
			f.fault(here, "$Number$ and $Time$ tell segments apart and do not belong to segmentControl SINGLE_FILE")
		} else if yes && numbered != i+1 || !yes && numbered > 0 {
			f.fault(here, "$Number$ and $Time$ Should be in the nameModifier of all outputs of the group, or of none")
		}
	}
}

// checkHLS checks what the members of an HLS group have to do with each other.
func checkHLS(at string, g *mc.OutputGroup, f *Findings) {
	h := g.OutputGroupSettings.HlsGroupSettings
	at2 := at + "/outputGroupSettings/hlsGroupSettings"
	segmentsOnly := h.OutputSelection == mc.HlsOutputSelectionSegments_Only
	for i, m := range h.AdditionalManifests {
		here := fmt.Sprintf("%s/additionalManifests/%d", at2, i)
		belongs(at2, fmt.Sprintf("additionalManifests/%d", i), segmentsOnly, "outputSelection SEGMENTS_ONLY", f)
		checkAdditionalManifest(here, m.ManifestNameModifier, m.SelectedOutputs, g, f)
	}
	if e := h.Encryption; e != nil {
		checkHLSEncryption(at2+"/encryption", e, f)
	}
	if h.SegmentLengthControl == mc.HlsSegmentLengthControlMatch {
		checkMatch(at2+"/segmentLengthControl", g, f)
	}
	for i, o := range g.Outputs {
		if o.OutputSettings == nil || o.OutputSettings.HlsSettings == nil {
			continue
		}
		here := fmt.Sprintf("%s/outputs/%d/outputSettings/hlsSettings/iFrameOnlyManifest", at, i)
		switch m := o.OutputSettings.HlsSettings.IFrameOnlyManifest; {
		case m == "" || m == mc.HlsIFrameOnlyManifestExclude:
		case segmentsOnly:
			f.fault(here, "%s does not belong to outputSelection SEGMENTS_ONLY", m)
		case m == mc.HlsIFrameOnlyManifestInclude && h.Encryption != nil:
			f.fault(here, "INCLUDE does not belong to encryption: encrypted segments have no parts that can be read alone (use INCLUDE_AS_TS)")
		}
	}
}

// checkAdditionalManifest checks one more playlist over some of a group's outputs,
// which are named by their nameModifiers.
func checkAdditionalManifest(at string, modifier *string, selected []string, g *mc.OutputGroup, f *Findings) {
	if modifier == nil || *modifier == "" {
		f.fault(at, "manifestNameModifier is a required property")
	} else {
		identifiers(at+"/manifestNameModifier", *modifier, true, f)
		if uncleanKey("x"+*modifier) || strings.Contains(*modifier, "//") {
			f.fault(at+"/manifestNameModifier", "%q is not a clean name: no empty, \".\" or \"..\" parts", *modifier)
		}
	}
	for i, name := range selected {
		if !slices.ContainsFunc(g.Outputs, func(o *mc.Output) bool { return o.NameModifier != nil && *o.NameModifier == name }) {
			f.fault(fmt.Sprintf("%s/selectedOutputs/%d", at, i), "%q is the nameModifier of no output of the group", name)
		}
	}
}

func checkHLSEncryption(at string, e *mc.HlsEncryptionSettings, f *Findings) {
	digits := func(s string) bool {
		b, err := hex.DecodeString(s)
		return err == nil && len(b) == 16
	}
	if e.Type == "" {
		f.fault(at, "type is a required property")
	}
	if e.EncryptionMethod == "" {
		f.fault(at, "encryptionMethod is a required property")
	}
	if iv := e.ConstantInitializationVector; iv != nil && !digits(*iv) {
		f.fault(at+"/constantInitializationVector", "Should be 32 hexadecimal digits")
	}
	k := e.StaticKeyProvider
	if k == nil {
		f.fault(at, "staticKeyProvider is a required property")
		return
	}
	at += "/staticKeyProvider"
	if k.StaticKeyValue == nil {
		f.fault(at, "staticKeyValue is a required property")
	} else if !digits(*k.StaticKeyValue) {
		f.fault(at+"/staticKeyValue", "Should be 32 hexadecimal digits")
	}
	if k.Url == nil {
		f.fault(at, "url is a required property")
	}
}

// checkMatch checks what SegmentLengthControl MATCH asks of a group's outputs.
func checkMatch(at string, g *mc.OutputGroup, f *Findings) {
	video, audio := false, false
	for i, o := range g.Outputs {
		here := fmt.Sprintf("of outputs/%d", i)
		if v := o.VideoDescription; v != nil && v.CodecSettings != nil {
			video = true
			if h := v.CodecSettings.H264Settings; h != nil && h.FramerateControl != mc.H264FramerateControlSpecified {
				f.fault(at, "MATCH needs framerateControl SPECIFIED %s", here)
			}
		}
		for _, a := range o.AudioDescriptions {
			audio = true
			if a.CodecSettings == nil {
				continue
			}
			if aac := a.CodecSettings.AacSettings; aac != nil && aac.SampleRate != nil && *aac.SampleRate != 48_000 {
				f.fault(at, "MATCH needs a sampleRate of 48000 %s", here)
			}
		}
	}
	if !video || !audio {
		f.fault(at, "MATCH needs an output with video and one with audio")
	}
}
