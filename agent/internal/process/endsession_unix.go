//go:build unix

package process

import "time"

// EndSession kills what is left in the session of a supervisor that vanished, waits for patience at most,
// and returns the ids of those it found and of those that survived. It touches nothing when the machine was
// started anew since, or when the session's number belongs to another one by now: then the leader began at another time, or no
// process in it has the supervisor's mark.
func EndSession(started Started, patience time.Duration) (found, left []int) {
	if started.Process <= 1 || started.Rebooted() {
		return nil, nil
	}
	if now := startTime(started.Process); now != "" && now != started.StartTime {
		return nil, nil
	}
	found = sessionProcesses(started.Process)
	if !marked(found, started.Mark) {
		return nil, nil
	}
	deadline := time.Now().Add(patience)
	for left = found; len(left) > 0; left = sessionProcesses(started.Process) {
		for _, pid := range left {
			killMember(pid, started.Process)
		}
		if time.Now().After(deadline) {
			return found, left
		}
		time.Sleep(5 * time.Millisecond) //nolint:forbidigo // processes that are no children tell nobody of their end
	}
	return found, nil
}

// marked tells whether a session is the one that has a mark. One process of it is enough, as others may have given up their
// environment (sudo); and one whose environment may not be seen is taken for one that has it.
func marked(session []int, mark string) bool {
	if mark == "" || len(session) == 0 {
		return true // an earlier version's, or nobody's
	}
	unseen := false
	for _, pid := range session {
		has, known := hasVariable(pid, markVariable+"="+mark)
		if has {
			return true
		}
		unseen = unseen || !known
	}
	return unseen
}
