package mediaconvert

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/awsapi"
	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
)

// checkName bounds the names of templates, presets and queues.
func checkName(name string, f *Findings) {
	if name == "" || len(name) > 256 || strings.HasPrefix(name, "arn:") || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' }) {
		f.fault("/name", "Should have 1 to 256 printable characters and not be an ARN")
	}
}

func (s *server) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Millisecond) }

func (s *server) createPreset(ctx context.Context, _ *apiserver.Call, in *mc.CreatePresetRequest) (*mc.CreatePresetResponse, error) {
	var found Findings
	checkName(value(in.Name), &found)
	if strings.HasPrefix(value(in.Name), systemPreset) {
		found.fault("/name", "Should not begin with %s", systemPreset)
	}
	checkTags(in.Tags, "/tags", &found)
	if err := found.Err(); err != nil {
		return nil, err
	}
	doc, err := json.Marshal(in.Settings)
	if err != nil {
		return nil, fmt.Errorf("encode preset: %w", err)
	}
	now := s.now()
	p := job.Preset{Name: value(in.Name), Description: value(in.Description), Category: value(in.Category), Settings: doc, Created: now, Updated: now}
	if err := s.cfg.Records.CreatePreset(ctx, p, in.Tags); err != nil {
		return nil, err
	}
	out, err := s.wirePreset(p)
	return &mc.CreatePresetResponse{Preset: out}, err
}

func (s *server) getPreset(ctx context.Context, _ *apiserver.Call, in *mc.GetPresetRequest) (*mc.GetPresetResponse, error) {
	p, err := s.preset(ctx, nameOf("presets", value(in.Name)))
	if err != nil {
		return nil, err
	}
	out, err := s.wirePreset(p)
	return &mc.GetPresetResponse{Preset: out}, err
}

func (s *server) listPresets(ctx context.Context, _ *apiserver.Call, in *mc.ListPresetsRequest) (*mc.ListPresetsResponse, error) {
	out := &mc.ListPresetsResponse{Presets: []*mc.Preset{}}
	limit := defaultPage
	if in.MaxResults != nil {
		limit = int(*in.MaxResults)
	}
	here := place{List: "presets", ByCreation: in.ListBy == mc.PresetListByCreation_Date, Descending: in.Order == mc.OrderDescending, Category: value(in.Category)}
	if in.ListBy == mc.PresetListBySystem {
		here.List = "system presets"
	}
	last, err := here.after(in.NextToken)
	if err != nil {
		return nil, err
	}
	f := here.filter(last, limit+1)
	list := listSystemPresets(f)
	if in.ListBy != mc.PresetListBySystem {
		list, err = s.cfg.Records.Presets(ctx, f)
	}
	if err != nil {
		return nil, err
	}
	if len(list) > limit {
		list = list[:limit]
		if out.NextToken, err = here.token(list[limit-1].Name, list[limit-1].Created); err != nil {
			return nil, err
		}
	}
	for _, p := range list {
		w, err := s.wirePreset(p)
		if err != nil {
			return nil, err
		}
		out.Presets = append(out.Presets, w)
	}
	return out, nil
}

// listSystemPresets is a page of the service's presets.
func listSystemPresets(f job.TemplateFilter) []job.Preset {
	list := slices.DeleteFunc(systemPresets(), func(p job.Preset) bool { return f.Category != "" && p.Category != f.Category })
	if f.Descending {
		slices.Reverse(list)
	}
	if i := slices.IndexFunc(list, func(p job.Preset) bool { return p.Name == f.After }); i >= 0 {
		list = list[i+1:]
	}
	return list[:min(len(list), f.Limit)]
}

// preset returns a preset of the service or of a user.
func (s *server) preset(ctx context.Context, name string) (job.Preset, error) {
	if p, ok := systemPresetOf(name); ok {
		return p, nil
	}
	p, err := s.cfg.Records.Preset(ctx, name)
	return p, s.gone(err, "presets", name)
}

// changeable refuses changes of the service's presets.
func changeable(name string) error {
	if _, ok := systemPresetOf(name); ok {
		return fault.New(fault.Invalid, CodeBadRequest, "You can't modify or delete the system preset %s", name)
	}
	return nil
}

// updatePreset replaces the members that are given, each whole.
func (s *server) updatePreset(ctx context.Context, _ *apiserver.Call, in *mc.UpdatePresetRequest) (*mc.UpdatePresetResponse, error) {
	if err := changeable(nameOf("presets", value(in.Name))); err != nil {
		return nil, err
	}
	p, err := s.cfg.Records.ChangePreset(ctx, nameOf("presets", value(in.Name)), func(p *job.Preset) error {
		if in.Settings != nil {
			doc, err := json.Marshal(in.Settings)
			if err != nil {
				return fmt.Errorf("encode preset: %w", err)
			}
			p.Settings = doc
		}
		if in.Description != nil {
			p.Description = *in.Description
		}
		if in.Category != nil {
			p.Category = *in.Category
		}
		p.Updated = s.now()
		return nil
	})
	if err != nil {
		return nil, s.gone(err, "presets", nameOf("presets", value(in.Name)))
	}
	out, err := s.wirePreset(p)
	return &mc.UpdatePresetResponse{Preset: out}, err
}

func (s *server) deletePreset(ctx context.Context, _ *apiserver.Call, in *mc.DeletePresetRequest) (*mc.DeletePresetResponse, error) {
	if err := changeable(nameOf("presets", value(in.Name))); err != nil {
		return nil, err
	}
	name := nameOf("presets", value(in.Name))
	return &mc.DeletePresetResponse{}, s.gone(s.cfg.Records.DeletePreset(ctx, name), "presets", name)
}

func (s *server) wirePreset(p job.Preset) (*mc.Preset, error) {
	out := &mc.Preset{
		Name: &p.Name, Arn: new(s.arn("presets/" + p.Name)), Type: mc.TypeCustom, Description: optional(p.Description), Category: optional(p.Category),
		CreatedAt: awsapi.At(p.Created), LastUpdated: awsapi.At(p.Updated), Settings: new(mc.PresetSettings),
	}
	if _, ok := systemPresetOf(p.Name); ok {
		out.Type = mc.TypeSystem
	}
	if err := json.Unmarshal(p.Settings, out.Settings); err != nil {
		return nil, fmt.Errorf("read preset %q: %w", p.Name, err)
	}
	return out, nil
}

// applyPresets lays each output that names a preset over that preset, as
// mergeSettings lays a job over its template: the output's own members win. The
// names stay in the outputs. It changes settings, reports presets that are not
// there, and returns the paths of the outputs that name those.
func (s *server) applyPresets(ctx context.Context, settings *mc.JobSettings, found *Findings) (missing []string, err error) {
	for i, g := range settings.OutputGroups {
		if g == nil {
			continue
		}
		for j, o := range g.Outputs {
			if o == nil || o.Preset == nil || *o.Preset == "" {
				continue
			}
			name := nameOf("presets", *o.Preset)
			p, err := s.preset(ctx, name)
			if fault.Is(err, fault.NotFound) {
				output := fmt.Sprintf("/outputGroups/%d/outputs/%d", i, j)
				missing = append(missing, output)
				at := output + "/preset"
				if strings.HasPrefix(name, systemPreset) {
					found.fault(at, "the system preset %q is not here: export it from the service and create it under a name of your own, or put its settings into the output", name)
				} else {
					found.fault(at, "The specified preset %q was not found: presetArn=%s", name, s.arn("presets/"+name))
				}
				continue
			}
			if err != nil {
				return nil, err
			}
			if g.Outputs[j], err = overPreset(p, o); err != nil {
				return nil, err
			}
		}
	}
	return missing, nil
}

// withoutMissing drops the faults that outputs lack something: those whose preset
// is not there, and which might bring it.
func withoutMissing(faults []awsapi.Violation, outputs []string) []awsapi.Violation {
	return slices.DeleteFunc(faults, func(v awsapi.Violation) bool {
		return strings.Contains(v.Message, " is a required property") && slices.ContainsFunc(outputs, func(o string) bool {
			return v.Path == o || strings.HasPrefix(v.Path, o+"/")
		})
	})
}

// overPreset lays an output over a preset.
func overPreset(p job.Preset, o *mc.Output) (*mc.Output, error) {
	var below any
	if err := json.Unmarshal(p.Settings, &below); err != nil {
		return nil, fmt.Errorf("read preset %q: %w", p.Name, err)
	}
	above, err := tree(o)
	if err != nil {
		return nil, err
	}
	merged, err := json.Marshal(overlay("", below, above))
	if err != nil {
		return nil, fmt.Errorf("encode output over preset %q: %w", p.Name, err)
	}
	out := new(mc.Output)
	if err := json.Unmarshal(merged, out); err != nil {
		return nil, fmt.Errorf("decode output over preset %q: %w", p.Name, err)
	}
	return out, nil
}

// resolved calls f with settings whose outputs name no presets, since these were
// applied, and then gives the names back.
func resolved(settings *mc.JobSettings, f func()) {
	names := map[*mc.Output]*string{}
	for _, g := range settings.OutputGroups {
		if g == nil {
			continue
		}
		for _, o := range g.Outputs {
			if o != nil && o.Preset != nil {
				names[o], o.Preset = o.Preset, nil
			}
		}
	}
	f()
	for o, name := range names {
		o.Preset = name
	}
}
