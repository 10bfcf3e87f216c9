package api

import (
	"maps"
	"slices"

	wire "vodwright.dev/vodwright/internal/awsapi/iam"
	"vodwright.dev/vodwright/internal/iam"
)

// What lists of users and of roles have in common.

func tagList(tags map[string]string) []*wire.Tag {
	out := []*wire.Tag{}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		v := tags[k]
		out = append(out, &wire.Tag{Key: &k, Value: &v})
	}
	return out
}

func tagKey(t *wire.Tag) string { return *t.Key }

func itself(s string) string { return s }

func inlineNames(p *iam.Principal) []string { return slices.Sorted(maps.Keys(p.Inline)) }

// attachedList lists the attached policies whose path begins with prefix, by ARN.
func (s *server) attachedList(p *iam.Principal, prefix *string) []*wire.AttachedPolicy {
	var out []*wire.AttachedPolicy
	for _, arn := range slices.Sorted(slices.Values(p.Attached)) {
		if m, err := s.Policy(arn); err == nil && within(m.Path, prefix) {
			out = append(out, &wire.AttachedPolicy{PolicyArn: &arn, PolicyName: &m.Name})
		}
	}
	return out
}

func attachedARN(a *wire.AttachedPolicy) string { return *a.PolicyArn }

func within(path string, prefix *string) bool {
	return prefix == nil || len(path) >= len(*prefix) && path[:len(*prefix)] == *prefix
}

func boundaryOf(p *iam.Principal) *wire.AttachedPermissionsBoundary {
	if p.Boundary == "" {
		return nil
	}
	return &wire.AttachedPermissionsBoundary{PermissionsBoundaryArn: &p.Boundary, PermissionsBoundaryType: "Policy"}
}
