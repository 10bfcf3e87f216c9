package mediaconvert

import (
	"encoding/json"
	"fmt"

	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
)

// mergeSettings lays a job's own settings over those of its template. Members of
// the job win; structures merge member by member; inputs, output groups, outputs,
// audio and caption descriptions merge item by item by their place, so that a job
// may give a group's destination alone; other lists are the job's whole. What is of
// another kind (see otherKind) replaces what is below. docs/JOBS.md has examples.
func mergeSettings(template *mc.JobTemplateSettings, own *mc.JobSettings) (*mc.JobSettings, error) {
	below, err := tree(template)
	if err != nil {
		return nil, err
	}
	above, err := tree(own)
	if err != nil {
		return nil, err
	}
	merged, err := json.Marshal(overlay("", below, above))
	if err != nil {
		return nil, fmt.Errorf("encode merged settings: %w", err)
	}
	out := new(mc.JobSettings)
	if err := json.Unmarshal(merged, out); err != nil {
		return nil, fmt.Errorf("decode merged settings: %w", err)
	}
	return out, nil
}

func tree(v any) (any, error) {
	doc, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode settings: %w", err)
	}
	var out any
	if err := json.Unmarshal(doc, &out); err != nil {
		return nil, fmt.Errorf("decode settings: %w", err)
	}
	return out, nil
}

// overlay lays one document over another; name is the member that holds both.
func overlay(name string, below, above any) any {
	switch above := above.(type) {
	case map[string]any:
		base, ok := below.(map[string]any)
		if !ok || otherKind(base, above) {
			return above
		}
		for member, v := range above {
			if old, ok := base[member]; ok {
				v = overlay(member, old, v)
			}
			base[member] = v
		}
		return base
	case []any:
		base, ok := below.([]any)
		if !ok || !byPlace(name) || !structures(base) || !structures(above) {
			return above
		}
		for i, v := range above {
			if i < len(base) {
				base[i] = overlay("", base[i], v)
			} else {
				base = append(base, v)
			}
		}
		return base
	}
	return above
}

// byPlace reports whether a list is one of those whose items are laid over each
// other by their place. Every other list (clippings, images, PIDs …) is one value.
func byPlace(name string) bool {
	switch name {
	case "inputs", "outputGroups", "outputs", "audioDescriptions", "captionDescriptions":
		return true
	}
	return false
}

func structures(list []any) bool {
	for _, v := range list {
		if _, ok := v.(map[string]any); !ok {
			return false
		}
	}
	return true
}

// otherKind reports whether two structures are of different kinds, of which
// nothing can be laid over the other: output groups of two types, settings of two
// codecs, of two containers.
func otherKind(below, above map[string]any) bool {
	differ := func(a, b any) bool { return a != nil && b != nil && a != b }
	typeOf := func(m map[string]any) any {
		s, _ := m["outputGroupSettings"].(map[string]any)
		return s["type"]
	}
	return differ(typeOf(below), typeOf(above)) || differ(below["codec"], above["codec"]) || differ(below["container"], above["container"])
}
