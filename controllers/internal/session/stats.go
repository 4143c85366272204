package session

// Stats tells how much of its bounds a Pool uses.
type Stats struct {
	// Dials are the connections that are being made, WaitingDials those that wait for their turn, and MaxDials is the bound.
	Dials, WaitingDials, MaxDials int
	// Followers are the scripts whose machines hold a question, and MaxFollowers is the bound.
	Followers, MaxFollowers int
}

// Stats counts what is under way.
func (p *Pool) Stats() Stats {
	return Stats{Dials: p.dials.Inside(), WaitingDials: p.dials.Waiting(), MaxDials: p.config.MaxDials,
		Followers: p.followers.Inside(), MaxFollowers: p.config.MaxFollowers}
}
