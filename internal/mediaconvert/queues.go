package mediaconvert

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/awsapi"
	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
	"vodwright.dev/vodwright/internal/job"
)

// queue returns a queue by its name; the default one is there before any job was.
func (s *server) queue(ctx context.Context, name string) (job.Queue, error) {
	if name == job.DefaultQueue {
		if err := s.ensureDefault(ctx); err != nil {
			return job.Queue{}, err
		}
	}
	return s.cfg.Records.Queue(ctx, name)
}

func (s *server) ensureDefault(ctx context.Context) error {
	now := s.cfg.Now().UTC().Truncate(time.Millisecond)
	return s.cfg.Records.EnsureQueue(ctx, job.Queue{Name: job.DefaultQueue, Status: job.QueueActive, Created: now, Updated: now})
}

func (s *server) getQueue(ctx context.Context, _ *apiserver.Call, in *mc.GetQueueRequest) (*mc.GetQueueResponse, error) {
	q, err := s.queue(ctx, nameOf("queues", value(in.Name)))
	if err != nil {
		return nil, err
	}
	out, err := s.wireQueue(ctx, q)
	return &mc.GetQueueResponse{Queue: out}, err
}

func (s *server) listQueues(ctx context.Context, _ *apiserver.Call, in *mc.ListQueuesRequest) (*mc.ListQueuesResponse, error) {
	if err := s.ensureDefault(ctx); err != nil {
		return nil, err
	}
	list, err := s.cfg.Records.Queues(ctx)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(list, func(a, b job.Queue) int {
		order := strings.Compare(a.Name, b.Name)
		if in.ListBy == mc.QueueListByCreation_Date {
			order = cmp.Or(a.Created.Compare(b.Created), order)
		}
		if in.Order == mc.OrderDescending {
			return -order
		}
		return order
	})
	if after := value(in.NextToken); after != "" {
		i := slices.IndexFunc(list, func(q job.Queue) bool { return q.Name == after })
		list = list[i+1:] // a queue that is gone meanwhile starts the list anew
	}
	out := &mc.ListQueuesResponse{Queues: []*mc.Queue{}}
	if limit := int(cmp.Or(value(in.MaxResults), defaultPage)); len(list) > limit {
		list = list[:limit]
		out.NextToken = &list[limit-1].Name
	}
	for _, q := range list {
		w, err := s.wireQueue(ctx, q)
		if err != nil {
			return nil, err
		}
		out.Queues = append(out.Queues, w)
	}
	return out, nil
}

func (s *server) wireQueue(ctx context.Context, q job.Queue) (*mc.Queue, error) {
	submitted, err := s.cfg.Records.CountJobs(ctx, q.Name, job.Submitted)
	if err != nil {
		return nil, err
	}
	progressing, err := s.cfg.Records.CountJobs(ctx, q.Name, job.Progressing)
	if err != nil {
		return nil, err
	}
	kind := mc.TypeCustom
	if q.Name == job.DefaultQueue {
		kind = mc.TypeSystem
	}
	return &mc.Queue{
		Name: &q.Name, Arn: new(s.arn("queues/" + q.Name)), Type: kind, Status: mc.QueueStatus(q.Status),
		Description: optional(q.Description), PricingPlan: mc.PricingPlanOn_Demand,
		CreatedAt: awsapi.At(q.Created), LastUpdated: awsapi.At(q.Updated),
		SubmittedJobsCount: new(int32(submitted)), ProgressingJobsCount: new(int32(progressing)),
		ServiceOverrides: []*mc.ServiceOverride{},
	}, nil
}
