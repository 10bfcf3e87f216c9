package mediaconvert

import (
	"context"
	"fmt"
	"slices"
	"time"

	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
)

// checkHops reports hop destinations that no job could have.
func checkHops(hops []*mc.HopDestination, f *Findings) {
	if len(hops) > job.MaxHops {
		f.fault("/hopDestinations", "Should have at most %d items", job.MaxHops)
	}
	for i, h := range hops {
		at := fmt.Sprintf("/hopDestinations/%d", i)
		if h == nil {
			continue // the model's own check tells
		}
		lo, hi := int32(job.MinHopWait/time.Minute), int32(job.MaxHopWait/time.Minute)
		switch {
		case h.WaitMinutes == nil:
			f.fault(at, "waitMinutes is a required property")
		case *h.WaitMinutes < lo:
			f.fault(at+"/waitMinutes", "Should be greater than or equal to %d", lo)
		case *h.WaitMinutes > hi:
			f.fault(at+"/waitMinutes", "Should be less than or equal to %d", hi)
		}
	}
}

// hops makes the domain's hops of a request's. The default queue stands in for a
// queue that is not named, except for jobs that are submitted to it.
func (s *server) hops(ctx context.Context, in *mc.CreateJobRequest, found *Findings) ([]job.Hop, error) {
	before := len(found.Faults)
	checkHops(in.HopDestinations, found)
	if len(found.Faults) > before {
		return nil, nil
	}
	submitted := job.DefaultQueue
	if in.Queue != nil {
		submitted = nameOf("queues", *in.Queue)
	}
	var out []job.Hop
	for i, h := range in.HopDestinations {
		if h == nil {
			continue
		}
		at := fmt.Sprintf("/hopDestinations/%d", i)
		hop := job.Hop{Queue: job.DefaultQueue, Wait: time.Duration(*h.WaitMinutes) * time.Minute}
		if h.Queue != nil {
			hop.Queue = nameOf("queues", *h.Queue)
		} else if submitted == job.DefaultQueue {
			found.fault(at, "queue is a required property (the job is submitted to the default queue)")
			continue
		}
		if hop.Queue == submitted {
			found.fault(at+"/queue", "Should not be the queue that the job is submitted to")
			continue
		}
		if h.Priority != nil {
			hop.Priority = new(int(*h.Priority))
		}
		switch _, err := s.queue(ctx, hop.Queue); {
		case fault.Is(err, fault.NotFound):
			found.fault(at+"/queue", "The specified queue was not found: queueArn=%s", s.arn("queues/"+hop.Queue))
		case err != nil:
			return nil, err
		}
		out = append(out, hop)
	}
	slices.SortStableFunc(out, func(a, b job.Hop) int { return int(a.Wait - b.Wait) })
	return out, nil
}
