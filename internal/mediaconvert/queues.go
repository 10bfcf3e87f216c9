package mediaconvert

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"vodwright.dev/vodwright/internal/awsapi"
	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
)

// queue returns a queue by its name; the default one is there before any job was.
func (s *server) queue(ctx context.Context, name string) (job.Queue, error) {
	if name == job.DefaultQueue {
		if err := s.ensureDefault(ctx); err != nil {
			return job.Queue{}, err
		}
	}
	q, err := s.cfg.Records.Queue(ctx, name)
	return q, s.gone(err, "queues", name)
}

func (s *server) ensureDefault(ctx context.Context) error {
	now := s.now()
	return s.cfg.Records.EnsureQueue(ctx, job.Queue{Name: job.DefaultQueue, Status: job.QueueActive, Created: now, Updated: now})
}

func (s *server) createQueue(ctx context.Context, _ *apiserver.Call, in *mc.CreateQueueRequest) (*mc.CreateQueueResponse, error) {
	var found Findings
	checkName(value(in.Name), &found)
	checkTags(in.Tags, "/tags", &found)
	if in.PricingPlan == mc.PricingPlanReserved || in.ReservationPlanSettings != nil {
		found.fault("/pricingPlan", "RESERVED is not implemented: every queue is ON_DEMAND, and may have concurrentJobs")
	}
	checkConcurrency(in.ConcurrentJobs, in.MaximumConcurrentFeeds, &found)
	if err := found.Err(); err != nil {
		return nil, err
	}
	now := s.now()
	q := job.Queue{
		Name: value(in.Name), Status: string(cmp.Or(in.Status, mc.QueueStatusActive)), Description: value(in.Description),
		ConcurrentJobs: int(value(in.ConcurrentJobs)), Created: now, Updated: now,
	}
	if err := s.cfg.Records.CreateQueue(ctx, q, in.Tags); err != nil {
		return nil, err
	}
	out, err := s.wireQueue(ctx, q)
	return &mc.CreateQueueResponse{Queue: out}, err
}

// checkConcurrency bounds how many jobs of a queue progress at once.
func checkConcurrency(jobs, feeds *int32, f *Findings) {
	if jobs != nil && (*jobs < 0 || *jobs > 1000) {
		f.fault("/concurrentJobs", "Should be between 0 and 1000")
	}
	if value(feeds) != 0 {
		f.fault("/maximumConcurrentFeeds", "is not implemented: there are no Elemental Inference feeds")
	}
}

// updateQueue replaces the members that are given. A queue that is paused admits
// no jobs; those that progress go on.
func (s *server) updateQueue(ctx context.Context, _ *apiserver.Call, in *mc.UpdateQueueRequest) (*mc.UpdateQueueResponse, error) {
	var found Findings
	if in.ReservationPlanSettings != nil {
		found.fault("/reservationPlanSettings", "is not implemented: every queue is ON_DEMAND")
	}
	checkConcurrency(in.ConcurrentJobs, in.MaximumConcurrentFeeds, &found)
	if err := found.Err(); err != nil {
		return nil, err
	}
	name := nameOf("queues", value(in.Name))
	if _, err := s.queue(ctx, name); err != nil { // makes the default one
		return nil, err
	}
	q, err := s.cfg.Records.ChangeQueue(ctx, name, func(q *job.Queue) error {
		if in.Status != "" {
			q.Status = string(in.Status)
		}
		if in.Description != nil {
			q.Description = *in.Description
		}
		if in.ConcurrentJobs != nil {
			q.ConcurrentJobs = int(*in.ConcurrentJobs)
		}
		q.Updated = s.now()
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.cfg.Jobs.QueuesChanged()
	out, err := s.wireQueue(ctx, q)
	return &mc.UpdateQueueResponse{Queue: out}, err
}

func (s *server) deleteQueue(ctx context.Context, _ *apiserver.Call, in *mc.DeleteQueueRequest) (*mc.DeleteQueueResponse, error) {
	name := nameOf("queues", value(in.Name))
	if name == job.DefaultQueue {
		return nil, fault.New(fault.Invalid, CodeBadRequest, "You can't delete the default queue")
	}
	return &mc.DeleteQueueResponse{}, s.gone(s.cfg.Records.DeleteQueue(ctx, name), "queues", name)
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
	here := place{List: "queues", ByCreation: in.ListBy == mc.QueueListByCreation_Date, Descending: in.Order == mc.OrderDescending}
	last, err := here.after(in.NextToken)
	if err != nil {
		return nil, err
	}
	list, err := s.cfg.Records.Queues(ctx)
	if err != nil {
		return nil, err
	}
	compare := func(a, b job.Queue) int {
		order := strings.Compare(a.Name, b.Name)
		if here.ByCreation {
			order = cmp.Or(cmp.Compare(a.Created.UnixMilli(), b.Created.UnixMilli()), order)
		}
		if here.Descending {
			return -order
		}
		return order
	}
	slices.SortStableFunc(list, compare)
	if last.Name != "" {
		list = slices.DeleteFunc(list, func(q job.Queue) bool { return compare(q, job.Queue{Name: last.Name, Created: last.created()}) <= 0 })
	}
	out := &mc.ListQueuesResponse{Queues: []*mc.Queue{}}
	if limit := int(cmp.Or(value(in.MaxResults), defaultPage)); len(list) > limit {
		list = list[:limit]
		if out.NextToken, err = here.token(list[limit-1].Name, list[limit-1].Created); err != nil {
			return nil, err
		}
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
	var concurrent *int32
	if q.ConcurrentJobs > 0 {
		concurrent = new(int32(q.ConcurrentJobs))
	}
	return &mc.Queue{
		ConcurrentJobs: concurrent,
		Name:           &q.Name, Arn: new(s.arn("queues/" + q.Name)), Type: kind, Status: mc.QueueStatus(q.Status),
		Description: optional(q.Description), PricingPlan: mc.PricingPlanOn_Demand,
		CreatedAt: awsapi.At(q.Created), LastUpdated: awsapi.At(q.Updated),
		SubmittedJobsCount: new(int32(submitted)), ProgressingJobsCount: new(int32(progressing)),
		ServiceOverrides: []*mc.ServiceOverride{},
	}, nil
}
