package wafv2

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	waf "vodwright.dev/vodwright/internal/awsapi/wafv2"
	"vodwright.dev/vodwright/internal/cloudfront"
	"vodwright.dev/vodwright/internal/fault"
)

// document is the configuration of a web ACL, as its record has it.
type document struct {
	Description      *string               `json:"Description,omitzero"`
	DefaultAction    *waf.DefaultAction    `json:"DefaultAction"`
	Rules            []*waf.Rule           `json:"Rules"`
	VisibilityConfig *waf.VisibilityConfig `json:"VisibilityConfig"`
	// For how long a solved puzzle counts. Rules that set one are refused, so these
	// mean nothing; Terraform gives them all the same.
	CaptchaConfig   *waf.CaptchaConfig   `json:"CaptchaConfig,omitzero"`
	ChallengeConfig *waf.ChallengeConfig `json:"ChallengeConfig,omitzero"`
}

func read(config json.RawMessage) (document, error) {
	var d document
	if err := json.Unmarshal(config, &d); err != nil {
		return d, fmt.Errorf("read configuration of a web ACL: %w", err)
	}
	return d, nil
}

// mostWebACLs bounds the list, which is read whole.
const mostWebACLs = 1000

func (s *server) create(ctx context.Context, call *apiserver.Call, in *waf.CreateWebACLRequest) (*waf.CreateWebACLResponse, error) {
	d := document{in.Description, in.DefaultAction, in.Rules, in.VisibilityConfig, in.CaptchaConfig, in.ChallengeConfig}
	if err := check(call, in.Scope, d, map[string]bool{
		"ApplicationConfig": in.ApplicationConfig != nil, "AssociationConfig": in.AssociationConfig != nil && len(in.AssociationConfig.RequestBody) > 0,
		"CustomResponseBodies": len(in.CustomResponseBodies) > 0,
		"DataProtectionConfig": in.DataProtectionConfig != nil, "OnSourceDDoSProtectionConfig": in.OnSourceDDoSProtectionConfig != nil, "TokenDomains": len(in.TokenDomains) > 0,
	}); err != nil {
		return nil, err
	}
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	all, err := s.cfg.Store.Resources(ctx, cloudfront.KindWebACL)
	if err != nil {
		return nil, err
	}
	if len(all) >= mostWebACLs {
		return nil, fault.New(fault.Limit, "WAFLimitsExceededException", "There are %d web ACLs, which is the most there can be.", len(all))
	}
	config, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("encode configuration: %w", err)
	}
	now := s.cfg.Now().UTC().Truncate(time.Millisecond)
	r := cloudfront.Resource{Kind: cloudfront.KindWebACL, ID: newUUID(), Name: value(in.Name), ETag: newUUID(), Created: now, Modified: now, Config: config}
	if err := s.cfg.Store.CreateResource(ctx, r, tags); err != nil {
		return nil, err
	}
	return &waf.CreateWebACLResponse{Summary: s.summary(r, d)}, nil
}

func (s *server) summary(r cloudfront.Resource, d document) *waf.WebACLSummary {
	return &waf.WebACLSummary{ARN: new(s.arn(r.Name, r.ID)), Id: &r.ID, Name: &r.Name, LockToken: &r.ETag, Description: new(value(d.Description))}
}

func (s *server) get(ctx context.Context, _ *apiserver.Call, in *waf.GetWebACLRequest) (*waf.GetWebACLResponse, error) {
	name, id := value(in.Name), value(in.Id)
	if in.ARN != nil {
		var ok bool
		if name, id, ok = s.named(*in.ARN); !ok {
			return nil, cloudfront.NoSuch(cloudfront.KindWebACL)
		}
	} else if err := global(in.Scope); err != nil {
		return nil, err
	}
	r, err := s.find(ctx, name, id)
	if err != nil {
		return nil, err
	}
	d, err := read(r.Config)
	if err != nil {
		return nil, err
	}
	out := &waf.WebACL{
		ARN: new(s.arn(r.Name, r.ID)), Id: &r.ID, Name: &r.Name, Description: d.Description, DefaultAction: d.DefaultAction, Rules: d.Rules, VisibilityConfig: d.VisibilityConfig,
		CaptchaConfig: d.CaptchaConfig, ChallengeConfig: d.ChallengeConfig,
		Capacity: new(capacity(d.Rules)), ManagedByFirewallManager: new(false), RetrofittedByFirewallManager: new(false),
		LabelNamespace: new("awswaf:" + s.cfg.Account + ":webacl:" + r.Name + ":"),
	}
	if out.Rules == nil {
		out.Rules = []*waf.Rule{}
	}
	return &waf.GetWebACLResponse{WebACL: out, LockToken: &r.ETag}, nil
}

func (s *server) update(ctx context.Context, call *apiserver.Call, in *waf.UpdateWebACLRequest) (*waf.UpdateWebACLResponse, error) {
	d := document{in.Description, in.DefaultAction, in.Rules, in.VisibilityConfig, in.CaptchaConfig, in.ChallengeConfig}
	if err := check(call, in.Scope, d, map[string]bool{
		"ApplicationConfig": in.ApplicationConfig != nil, "AssociationConfig": in.AssociationConfig != nil && len(in.AssociationConfig.RequestBody) > 0,
		"CustomResponseBodies": len(in.CustomResponseBodies) > 0,
		"DataProtectionConfig": in.DataProtectionConfig != nil, "OnSourceDDoSProtectionConfig": in.OnSourceDDoSProtectionConfig != nil, "TokenDomains": len(in.TokenDomains) > 0,
	}); err != nil {
		return nil, err
	}
	config, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("encode configuration: %w", err)
	}
	r, err := s.cfg.Store.ChangeResource(ctx, cloudfront.Reference{Kind: cloudfront.KindWebACL, ID: value(in.Id)}, func(r *cloudfront.Resource) error {
		if err := matches(*r, in.Name, in.LockToken); err != nil {
			return err
		}
		r.Config, r.ETag, r.Modified = config, newUUID(), s.cfg.Now().UTC().Truncate(time.Millisecond)
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.cfg.Forget("")
	return &waf.UpdateWebACLResponse{NextLockToken: &r.ETag}, nil
}

// matches compares what a request names with the record that it found.
func matches(r cloudfront.Resource, name, token *string) error {
	switch {
	case r.Name != value(name):
		return cloudfront.NoSuch(cloudfront.KindWebACL)
	case r.ETag != value(token):
		return fault.New(fault.Conflict, "WAFOptimisticLockException", "AWS WAF couldn't save your changes because someone changed the resource after you started to edit it. Reapply your changes.")
	}
	return nil
}

func (s *server) delete(ctx context.Context, _ *apiserver.Call, in *waf.DeleteWebACLRequest) (*waf.DeleteWebACLResponse, error) {
	if err := global(in.Scope); err != nil {
		return nil, err
	}
	return &waf.DeleteWebACLResponse{}, s.cfg.Store.DeleteResource(ctx, cloudfront.Reference{Kind: cloudfront.KindWebACL, ID: value(in.Id)}, func(r cloudfront.Resource) error {
		return matches(r, in.Name, in.LockToken)
	})
}

func (s *server) list(ctx context.Context, _ *apiserver.Call, in *waf.ListWebACLsRequest) (*waf.ListWebACLsResponse, error) {
	out := &waf.ListWebACLsResponse{WebACLs: []*waf.WebACLSummary{}}
	if in.Scope == waf.ScopeRegional {
		return out, nil // there are none
	}
	all, err := s.cfg.Store.Resources(ctx, cloudfront.KindWebACL)
	if err != nil {
		return nil, err
	}
	limit, after := 100, in.NextMarker == nil
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	for i, r := range all {
		if !after {
			after = r.ID == *in.NextMarker
			continue
		}
		if len(out.WebACLs) == limit {
			out.NextMarker = &all[i-1].ID
			break
		}
		d, err := read(r.Config)
		if err != nil {
			return nil, err
		}
		out.WebACLs = append(out.WebACLs, s.summary(r, d))
	}
	return out, nil
}

func tagsOf(in []*waf.Tag) (map[string]string, error) {
	out := map[string]string{}
	for _, t := range in {
		if t == nil {
			continue
		}
		key := value(t.Key)
		if _, twice := out[key]; twice || strings.HasPrefix(strings.ToLower(key), "aws:") || len(out) == 50 {
			return nil, fault.New(fault.Invalid, "WAFInvalidParameterException", "The tag %q is given twice, begins with aws: or is one too many.", key)
		}
		out[key] = value(t.Value)
	}
	return out, nil
}

// tagged names the web ACL of an ARN as tags do.
func (s *server) tagged(ctx context.Context, arn *string) (string, error) {
	name, id, ok := s.named(value(arn))
	if !ok {
		return "", cloudfront.NoSuch(cloudfront.KindWebACL)
	}
	_, err := s.find(ctx, name, id)
	return string(cloudfront.KindWebACL) + "/" + id, err
}
