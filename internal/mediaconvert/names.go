package mediaconvert

import (
	"fmt"
	"strings"

	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
	"vodwright.dev/vodwright/internal/plan"
)

// checkNames finds outputs whose names would meet. Names are compared before
// their format identifiers are resolved: those that differ only in identifiers
// are told apart when the job is planned.
func checkNames(s *mc.JobSettings, f *Findings) {
	writers := map[string]string{} // object → path of who writes it
	for i, g := range s.OutputGroups {
		kind, base := groupBase(g)
		if base == "" {
			continue
		}
		at := fmt.Sprintf("/outputGroups/%d", i)
		if _, key, ok := strings.Cut(strings.TrimPrefix(base, "s3://"), "/"); ok {
			identifiers(at+"/outputGroupSettings/"+kind.name+"/destination", key, true, f)
		}
		hls := kind.kind == mc.OutputGroupTypeHls_Group_Settings
		cmaf := kind.kind == mc.OutputGroupTypeCmaf_Group_Settings
		dash := kind.kind == mc.OutputGroupTypeDash_Iso_Group_Settings
		if hls || cmaf {
			claim(writers, base+".m3u8", at, f)
		}
		if dash || cmaf {
			claim(writers, base+".mpd", at, f)
		}
		for j, o := range g.Outputs {
			here := fmt.Sprintf("%s/outputs/%d", at, j)
			if o.NameModifier == nil && (hls || cmaf || len(g.Outputs) > 1) {
				why := "the group has several outputs"
				if hls || cmaf {
					why = "the output's playlist would overwrite the group's"
				}
				f.fault(here, "nameModifier is a required property (%s)", why)
				continue
			}
			modifier := ""
			if o.NameModifier != nil {
				modifier = *o.NameModifier
				if dash {
					if _, err := plan.CheckDASHName(modifier); err != nil {
						f.fault(here+"/nameModifier", "%v", err)
					}
				} else {
					identifiers(here+"/nameModifier", modifier, false, f)
				}
			}
			if hs := o.OutputSettings; hls && hs != nil && hs.HlsSettings != nil && hs.HlsSettings.SegmentModifier != nil {
				at, segment := here+"/outputSettings/hlsSettings/segmentModifier", *hs.HlsSettings.SegmentModifier
				identifiers(at, segment, false, f)
				if uncleanKey("x"+segment) || strings.Contains(segment, "//") {
					f.fault(at, "%q is not a clean name: no empty, \".\" or \"..\" parts", segment)
				}
			}
			if uncleanKey("x"+modifier) || strings.Contains(modifier, "//") {
				f.fault(here+"/nameModifier", "%q is not a clean name: no empty, \".\" or \"..\" parts", modifier)
			}
			if e := o.Extension; e != nil && (*e == "" || strings.ContainsAny(*e, "/\\\x00\n\r") || strings.Contains(*e, "..")) {
				f.fault(here+"/extension", "%q is not the end of a file name", *e)
			}
			claim(writers, base+modifier+"."+extension(o, kind.kind), here, f)
		}
	}
}

// identifiers reports format identifiers ($dt$ …) that are not known, or not there.
func identifiers(at, pattern string, inDestination bool, f *Findings) {
	if err := plan.CheckName(pattern, inDestination); err != nil {
		f.fault(at, "%v", err)
	}
}

// claim notes who writes an object and reports a second writer. Captures of a
// frame-capture output are claimed by their common stem.
func claim(writers map[string]string, object, at string, f *Findings) {
	if first, taken := writers[object]; taken {
		f.fault(at, "would write the same object as %s: %s (give it another nameModifier or destination)", first, object)
		return
	}
	writers[object] = at
}

// groupBase returns which settings a group has, and its destination with the base
// name at its end, before identifiers are resolved; "" when there is no usable one.
func groupBase(g *mc.OutputGroup) (kind groupMember, base string) {
	gs := g.OutputGroupSettings
	if gs == nil {
		return kind, ""
	}
	for _, m := range groupMembers(gs) {
		if m.kind == gs.Type {
			kind = m
		}
	}
	destination := kind.destination
	switch {
	case destination == nil:
		return kind, ""
	case strings.HasSuffix(*destination, "/"):
		return kind, *destination + "$fn$"
	case strings.Count(*destination, "/") == 2: // a bucket alone
		return kind, *destination + "/$fn$"
	}
	return kind, *destination
}

func extension(o *mc.Output, group mc.OutputGroupType) string {
	switch {
	case group == mc.OutputGroupTypeHls_Group_Settings:
		return "m3u8"
	case group != mc.OutputGroupTypeFile_Group_Settings:
		return "000000001.mp4" // of its first segment, as good as any
	case o.ContainerSettings != nil && o.ContainerSettings.Container == mc.ContainerTypeRaw:
		return "0000000.jpg"
	case o.Extension != nil:
		return *o.Extension
	case o.ContainerSettings != nil && o.ContainerSettings.Container == mc.ContainerTypeM2ts:
		return "m2ts"
	}
	return "mp4"
}
