package edge

import (
	"net/http"
	"time"
)

// record is what an access log tells about one request. It is only valid while
// note runs: request and header belong to net/http.
type record struct {
	distribution *knownDistribution
	request      *http.Request
	header       http.Header // of the response
	id           string      // X-Amz-Cf-Id
	status       int         // 0: the viewer left before it was sent
	bytes        int64       // of the body, as far as they were written
	began        time.Time
	firstByte    time.Duration // from began until the header was written
	took         time.Duration
	result       result // x-edge-result-type
	whole        bool   // everything was written that the status promised
}

// note takes a request to the access log. It is called after each answer of a
// distribution that has one, and must not block.
func (e *Edge) note(record) {}
