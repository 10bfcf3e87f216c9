package plan

import "fmt"

// CaptionSelector names captions of an input.
type CaptionSelector struct {
	SourceSettings struct {
		SourceType string `json:"sourceType"`
	} `json:"sourceSettings"`
}

// CaptionDescription asks for captions in an output.
type CaptionDescription struct {
	CaptionSelectorName string `json:"captionSelectorName"`
	DestinationSettings struct {
		DestinationType string `json:"destinationType"`
	} `json:"destinationSettings"`
}

// embedded reports whether an output carries the CEA-608 and 708 captions that are
// in its sources' frames.
func (p *planner) embedded(o *OutputSettings, r rung, l *ladder, path string) bool {
	wanted := false
	for i, d := range o.CaptionDescriptions {
		here := fmt.Sprintf("%s/captionDescriptions/%d", path, i)
		if d.DestinationSettings.DestinationType != "EMBEDDED" {
			p.problems.add(here+"/destinationSettings/destinationType", "%q is not supported (EMBEDDED is)", d.DestinationSettings.DestinationType)
			continue
		}
		for j := range p.settings.Inputs {
			switch sel, ok := p.settings.Inputs[j].CaptionSelectors[d.CaptionSelectorName]; {
			case !ok:
				p.problems.add(here+"/captionSelectorName", "input %d has no caption selector %q", j+1, d.CaptionSelectorName)
			case sel.SourceSettings.SourceType == "EMBEDDED":
				wanted = true
			case sel.SourceSettings.SourceType == "NULL_SOURCE", sel.SourceSettings.SourceType == "":
			default:
				p.problems.add(fmt.Sprintf("/inputs/%d/captionSelectors/%s/sourceSettings/sourceType", j, d.CaptionSelectorName), "captions of %s are not supported (those of EMBEDDED are)", sel.SourceSettings.SourceType)
			}
		}
	}
	if !wanted {
		return false
	}
	for i := range l.takes {
		src, g := l.takes[i].src, l.takes[i].grid
		switch t := r.treatments[src.input]; {
		case !src.index.Captions:
			p.warnings.add(WarnCaptions, "the job asks for embedded captions, and there seem to be none in the source")
		case g.rate != src.grid.rate || g.frames != int64(len(src.index.PTS)) || t.decimate || t.blend || t.scan.first != "":
			// Each frame has its own part of a caption: one that is shown twice says it twice.
			p.warnings.add(WarnCaptions, "the embedded captions of the source are not in the output: its frames are not those of the source, one for one")
			return false
		}
	}
	return true
}

// captioned reports whether any output is asked to have captions.
func (p *planner) captioned() bool {
	for _, g := range p.settings.OutputGroups {
		for _, o := range g.Outputs {
			if len(o.CaptionDescriptions) > 0 {
				return true
			}
		}
	}
	return false
}
