package mediaconvert

import (
	"encoding/json"
	"fmt"

	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
)

// mergeSettings lays a job's own settings over those of its template. Members of
// the job win; structures merge member by member; lists of structures (inputs,
// output groups, outputs) merge item by item by their place, so that a job may
// give a group's destination alone; other lists are the job's whole. An output
// group of another type than the template's at its place replaces it.
func mergeSettings(template *mc.JobTemplateSettings, own *mc.JobSettings) (*mc.JobSettings, error) {
	below, err := tree(template)
	if err != nil {
		return nil, err
	}
	above, err := tree(own)
	if err != nil {
		return nil, err
	}
	merged, err := json.Marshal(overlay(below, above))
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

func overlay(below, above any) any {
	switch above := above.(type) {
	case map[string]any:
		base, ok := below.(map[string]any)
		if !ok || otherType(base, above) {
			return above
		}
		for name, v := range above {
			if old, ok := base[name]; ok {
				v = overlay(old, v)
			}
			base[name] = v
		}
		return base
	case []any:
		base, ok := below.([]any)
		if !ok || !structures(base) || !structures(above) {
			return above
		}
		for i, v := range above {
			if i < len(base) {
				base[i] = overlay(base[i], v)
			} else {
				base = append(base, v)
			}
		}
		return base
	}
	return above
}

func structures(list []any) bool {
	for _, v := range list {
		if _, ok := v.(map[string]any); !ok {
			return false
		}
	}
	return true
}

// otherType reports whether two output groups are of different types.
func otherType(below, above map[string]any) bool {
	typeOf := func(m map[string]any) any {
		s, _ := m["outputGroupSettings"].(map[string]any)
		return s["type"]
	}
	a, b := typeOf(below), typeOf(above)
	return a != nil && b != nil && a != b
}
