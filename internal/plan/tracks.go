package plan

import (
	"fmt"
	"slices"
)

// audioPIDs are the packet identifiers of an output's audio streams: those of
// M3u8Settings, then the service's own.
func (p *planner) audioPIDs(m M3u8Settings, ts *MPEGTS, n int, path string) []int {
	const first, last = 482, 498 // the service's, up to those of captions
	taken := []int{ts.PMTPID, ts.VideoPID}
	check := func(name string, pid int) {
		if pid < 32 || pid > 8182 {
			p.problems.add(path+"/"+name, "Should be between 32 and 8182")
		}
	}
	check("pmtPid", ts.PMTPID)
	check("videoPid", ts.VideoPID)
	if ts.PMTPID == ts.VideoPID {
		p.problems.add(path, "pmtPid %d and videoPid %d have to differ", ts.PMTPID, ts.VideoPID)
	}
	out := []int{}
	for i := range n {
		pid := first
		if i < len(m.AudioPids) {
			pid = int(m.AudioPids[i])
			check(fmt.Sprintf("audioPids/%d", i), pid)
			if slices.Contains(taken, pid) {
				p.problems.add(path, "pmtPid %d, videoPid %d and audio PIDs %v have to differ", ts.PMTPID, ts.VideoPID, m.AudioPids)
			}
		} else {
			for slices.Contains(taken, pid) && pid < last {
				pid++
			}
		}
		taken, out = append(taken, pid), append(out, pid)
	}
	return out
}
