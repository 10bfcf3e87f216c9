package mediaconvert

import (
	"encoding/json"
	"fmt"
	"sync"

	"vodwright.dev/vodwright/internal/awsapi"
	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
	"vodwright.dev/vodwright/internal/job"
)

// answersBytes bounds the requests of which answers keeps what they decode to. A page
// of jobs is some 100 KB; lists are asked for again and again.
const answersBytes = 16 << 20

// answers makes of jobs' records the requests that answers show: decoded, and with
// the service's defaults filled in. A request is written once, so what was made of
// it stays right. It is safe for concurrent use; what it returns is read only.
type answers struct {
	filler *filler

	mu    sync.Mutex
	jobs  map[string]*mc.CreateJobRequest
	order []answered // the oldest first
	bytes int
}

type answered struct {
	id    string
	bytes int
}

func newAnswers(schema *awsapi.Schema) *answers {
	return &answers{filler: newFiller(schema, standards()), jobs: map[string]*mc.CreateJobRequest{}}
}

func (s *answers) request(j job.Job) (*mc.CreateJobRequest, error) {
	s.mu.Lock()
	known := s.jobs[j.ID]
	s.mu.Unlock()
	if known != nil {
		return known, nil
	}
	r := new(mc.CreateJobRequest)
	if err := json.Unmarshal(j.Request, r); err != nil {
		return nil, fmt.Errorf("read request of job %q: %w", j.ID, err)
	}
	if r.Settings == nil {
		r.Settings = &mc.JobSettings{}
	}
	s.filler.fill(r.Settings)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.jobs[j.ID] == nil && len(j.Request) <= answersBytes {
		s.jobs[j.ID] = r
		s.order = append(s.order, answered{j.ID, len(j.Request)})
		for s.bytes += len(j.Request); s.bytes > answersBytes; s.order = s.order[1:] {
			delete(s.jobs, s.order[0].id)
			s.bytes -= s.order[0].bytes
		}
	}
	return r, nil
}
