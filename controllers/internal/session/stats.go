package session

// Stats is the use of a Pool's limits.
type Stats struct {
	// Dials are the connections being established, WaitingDials those that wait, and MaxDials is the limit.
	Dials, WaitingDials, MaxDials int
	// Followers are the scripts with a pending WaitForStatus, and MaxFollowers is the limit.
	Followers, MaxFollowers int
}

// Stats returns the current numbers.
func (p *Pool) Stats() Stats {
	return Stats{Dials: p.dials.Inside(), WaitingDials: p.dials.Waiting(), MaxDials: p.config.MaxDials,
		Followers: p.followers.Inside(), MaxFollowers: p.config.MaxFollowers}
}
