package cloudfront

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"vodwright.dev/vodwright/internal/awsapi"
	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	cf "vodwright.dev/vodwright/internal/awsapi/cloudfront"
	"vodwright.dev/vodwright/internal/fault"
)

// Quotas of the service: paths, and of them wildcards, that may be in progress.
const (
	mostPaths     = 3000
	mostWildcards = 15
)

// createInvalidation records an invalidation and then has the edge carry it out.
// The order makes it survive a kill: the edge's cache is in memory, so what was
// recorded and not carried out is carried out by the restart.
func (s *server) createInvalidation(ctx context.Context, call *apiserver.Call, in *cf.CreateInvalidationRequest) (*cf.CreateInvalidationResult, error) {
	if err := known(call); err != nil {
		return nil, err
	}
	batch := in.InvalidationBatch
	paths, err := checkPaths(batch)
	if err != nil {
		return nil, err
	}
	i, err := s.cfg.Store.CreateInvalidation(ctx, Invalidation{
		ID: newID("I"), Distribution: value(in.DistributionId), CallerReference: *batch.CallerReference, Created: s.now(), Paths: batch.Paths.Items,
	})
	if err != nil {
		return nil, err
	}
	if !slices.Equal(i.Paths, batch.Paths.Items) {
		return nil, fault.New(fault.Invalid, "InvalidArgument", "Your request contains a caller reference that was used for a previous invalidation batch for the same distribution, but the content of the invalidation batch differs.")
	}
	if s.cfg.Edge != nil {
		s.cfg.Edge.Invalidate(i.Distribution, paths) // and other servers' when they read of it
	}
	return &cf.CreateInvalidationResult{Invalidation: invalidation(i), Location: location(call, "distribution/"+i.Distribution+"/invalidation/"+i.ID)}, nil
}

// checkPaths returns the paths of a batch as the edge compares them: decoded, and
// without query strings, whose answers go with their path's.
func checkPaths(batch *cf.InvalidationBatch) ([]string, error) {
	if ref := value(batch.CallerReference); ref == "" || len(ref) > 128 {
		return nil, fault.New(fault.Invalid, "InvalidArgument", "The parameter CallerReference must have 1 to 128 characters.")
	}
	if int(value(batch.Paths.Quantity)) != len(batch.Paths.Items) {
		return nil, fault.New(fault.Invalid, "InconsistentQuantities", "The value of Paths.Quantity and the number of items do not match.")
	}
	if n := len(batch.Paths.Items); n == 0 || n > mostPaths {
		return nil, fault.New(fault.Invalid, tooMany(n), "An invalidation has 1 to %d paths.", mostPaths)
	}
	var out []string
	wildcards := 0
	for _, p := range batch.Paths.Items {
		path, _, _ := strings.Cut(p, "?")
		body, wildcard := strings.CutSuffix(path, "*")
		decoded, err := url.PathUnescape(body)
		switch {
		case !strings.HasPrefix(p, "/") || len(p) > 4000 || err != nil || strings.ContainsFunc(p, func(r rune) bool { return r <= ' ' || r == 0x7f }):
			return nil, fault.New(fault.Invalid, "InvalidArgument", "Your request contains one or more invalid invalidation paths: %q", clip(p)).
				WithHint("a path begins with / and is encoded as in a URL")
		case strings.Contains(body, "*"):
			return nil, fault.New(fault.Invalid, "InvalidArgument", "Your request contains one or more invalid invalidation paths: %q", clip(p)).
				WithHint("* stands at the end of a path only")
		}
		if wildcard {
			wildcards++
			decoded += "*"
		}
		out = append(out, decoded)
	}
	if wildcards > mostWildcards {
		return nil, fault.New(fault.Invalid, tooMany(mostPaths+1), "An invalidation has at most %d paths with a wildcard.", mostWildcards)
	}
	return out, nil
}

// Decoded returns the paths of an invalidation as the edge compares them.
func (i Invalidation) Decoded() []string {
	var out []string
	for _, p := range i.Paths { // checked when it was made
		path, _, _ := strings.Cut(p, "?")
		body, wildcard := strings.CutSuffix(path, "*")
		if decoded, err := url.PathUnescape(body); err == nil {
			body = decoded
		}
		if wildcard {
			body += "*"
		}
		out = append(out, body)
	}
	return out
}

func tooMany(paths int) string {
	if paths > mostPaths {
		return "TooManyInvalidationsInProgress"
	}
	return "InvalidArgument"
}

func invalidation(i Invalidation) *cf.Invalidation {
	return &cf.Invalidation{Id: &i.ID, Status: new("Completed"), CreateTime: awsapi.At(i.Created), InvalidationBatch: &cf.InvalidationBatch{
		CallerReference: &i.CallerReference, Paths: &cf.Paths{Items: i.Paths, Quantity: new(int32(len(i.Paths)))},
	}}
}

func (s *server) getInvalidation(ctx context.Context, _ *apiserver.Call, in *cf.GetInvalidationRequest) (*cf.GetInvalidationResult, error) {
	if _, err := s.cfg.Store.Distribution(ctx, value(in.DistributionId)); err != nil {
		return nil, err
	}
	i, err := s.cfg.Store.Invalidation(ctx, value(in.DistributionId), value(in.Id))
	if err != nil {
		return nil, err
	}
	return &cf.GetInvalidationResult{Invalidation: invalidation(i)}, nil
}

func (s *server) listInvalidations(ctx context.Context, _ *apiserver.Call, in *cf.ListInvalidationsRequest) (*cf.ListInvalidationsResult, error) {
	if _, err := s.cfg.Store.Distribution(ctx, value(in.DistributionId)); err != nil {
		return nil, err
	}
	size, err := pageSize(in.MaxItems)
	if err != nil {
		return nil, err
	}
	all, err := s.cfg.Store.Invalidations(ctx, value(in.DistributionId), value(in.Marker), size+1)
	if err != nil {
		return nil, err
	}
	out := &cf.InvalidationList{Marker: new(value(in.Marker)), MaxItems: new(int32(size)), IsTruncated: new(len(all) > size), Items: []*cf.InvalidationSummary{}}
	if len(all) > size {
		all = all[:size]
		out.NextMarker = &all[size-1].ID
	}
	for _, i := range all {
		out.Items = append(out.Items, &cf.InvalidationSummary{Id: &i.ID, Status: new("Completed"), CreateTime: awsapi.At(i.Created)})
	}
	out.Quantity = new(int32(len(all)))
	return &cf.ListInvalidationsResult{InvalidationList: out}, nil
}
