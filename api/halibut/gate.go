package halibut

import (
	"net"
	"net/netip"
	"strings"
	"time"
)

const (
	// welcomeFor is how long a source comes first after somebody was authorised from there.
	welcomeFor = time.Hour
	// visitsFor is how long at least it counts that a source came; twice as long at most.
	visitsFor = 10 * time.Second
	// maxSources and maxKnown bound the maps of sources.
	maxSources = 16_384
	maxKnown   = 1024
	// crowd is how many sources of one IPv6 /48 count as one.
	crowd = 16
)

// gate counts the connections whose peer is not known yet, and how often each source came. Those from sources where somebody was
// authorised lately are counted apart, so that strangers never take their room. Its owner's lock guards it.
type gate struct {
	most, mostPerSource, mostKnown int
	strangers, guests              int
	bySource                       map[string][]*session
	// ending is how many had to make room and have not ended yet.
	ending int
	// came counts the connections of each source in this period, cameBefore in the one before.
	came, cameBefore map[string]int
	turned           time.Time
	// known is when somebody was authorised from a source.
	known map[string]time.Time
	last  uint64
}

func newGate(most, mostPerSource, mostKnown int) gate {
	return gate{
		most: most, mostPerSource: mostPerSource, mostKnown: mostKnown, bySource: map[string][]*session{},
		came: map[string]int{}, cameBefore: map[string]int{}, known: map[string]time.Time{},
	}
}

// Source is what counts as one address when somebody's connections are counted: an IPv4 address, or an IPv6
// /64, which one machine may have to itself.
func Source(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return a.String()
	}
	address, ok := netip.AddrFromSlice(tcp.IP)
	if !ok {
		return tcp.IP.String()
	}
	address = address.Unmap()
	if address.Is4() {
		return address.String()
	}
	const bits = 64
	network, err := address.WithZone("").Prefix(bits)
	if err != nil {
		return address.String()
	}
	return network.String()
}

// enter counts c, and returns the one that must go for it, or nil. That may be c itself, which is not counted then.
func (g *gate) enter(c *session, now time.Time) *session {
	g.visit(c.source, now)
	c.rank = g.rank(c.source, now)
	own := g.bySource[c.source]
	c.guest = c.rank == 0 || len(own) > 0 && own[0].guest
	victim := g.victim(c, now)
	if victim != nil && !g.yields(victim, c, now) {
		return c
	}
	if victim != nil {
		g.leave(victim)
		victim.leaving = true
		g.ending++
	}
	g.last++
	c.number = g.last
	g.bySource[c.source] = append(g.bySource[c.source], c)
	*g.count(c)++
	return victim
}

// count is the number of connections of c's kind.
func (g *gate) count(c *session) *int {
	if c.guest {
		return &g.guests
	}
	return &g.strangers
}

// victim is the one that must go for c where there are too many of its kind, else nil. Of strangers it is the oldest of the source
// that came most often. A stranger's source that has its share goes before others that came as often, and has half of all at most.
func (g *gate) victim(c *session, now time.Time) *session {
	own := g.bySource[c.source]
	switch {
	case c.guest && g.guests >= g.mostKnown:
		return g.worst(true, now)
	case c.guest:
		return nil
	case g.strangers >= g.most:
		worst := g.worst(false, now)
		if len(own) >= g.mostPerSource && g.rank(worst.source, now) <= c.rank {
			return own[0]
		}
		return worst
	case len(own) >= max(g.mostPerSource, g.most/2):
		return own[0]
	}
	return nil
}

// yields tells whether one makes room for another. Those that had to and have not ended take room still, so there are no more of
// them than of the others; twice as many, where they yield to somebody who came less often.
func (g *gate) yields(victim, c *session, now time.Time) bool {
	rank := g.rank(victim.source, now)
	return rank >= c.rank && g.ending < g.most || rank > c.rank && g.ending < 2*g.most
}

// visit counts one more connection of a source.
func (g *gate) visit(source string, now time.Time) {
	if now.Sub(g.turned) >= visitsFor {
		g.came, g.cameBefore, g.turned = map[string]int{}, g.came, now
	}
	for _, s := range []string{source, network(source)} {
		if _, counted := g.came[s]; s != "" && (counted || len(g.came) < maxSources) {
			g.came[s]++
		}
	}
}

// rank is 0 for a source from which somebody was authorised lately, and the higher for others the more often they came.
func (g *gate) rank(source string, now time.Time) int {
	if at, known := g.known[source]; known && now.Sub(at) < welcomeFor {
		return 0
	}
	wide := network(source)
	return 1 + max(g.came[source]+g.cameBefore[source], (g.came[wide]+g.cameBefore[wide])/crowd)
}

// network is the /48 of an IPv6 source, which one owner may have to itself; empty for others.
func network(source string) string {
	const bits = 48
	if !strings.Contains(source, "/") {
		return ""
	}
	p, err := netip.ParsePrefix(source)
	if err != nil {
		return ""
	}
	wide, err := p.Addr().Prefix(bits)
	if err != nil {
		return ""
	}
	return wide.String()
}

// guestsPatience is how many times longer a handshake of somebody known may take: hundreds that begin at once wait for each other on
// a slow machine.
const guestsPatience = 3

// patience is how long a handshake may take.
func (l *Limits) patience(guest bool) time.Duration {
	if guest {
		return guestsPatience * l.Handshake
	}
	return l.Handshake
}

// welcome notes that somebody was authorised from a source. Those who wait there are no strangers any more.
func (g *gate) welcome(source string, now time.Time) {
	for _, c := range g.bySource[source] {
		*g.count(c)--
		c.guest = true
		*g.count(c)++
	}
	if _, known := g.known[source]; !known && len(g.known) >= maxKnown {
		oldest, at := "", now
		for s, t := range g.known {
			if !t.After(at) {
				oldest, at = s, t
			}
		}
		delete(g.known, oldest)
	}
	g.known[source] = now
}

// worst is the oldest of the source with the highest rank, and of those with most connections. A source has strangers only, or
// guests only.
func (g *gate) worst(guests bool, now time.Time) *session {
	var worst []*session
	highest := -1
	for source, list := range g.bySource {
		if list[0].guest != guests {
			continue
		}
		rank := g.rank(source, now)
		switch {
		case rank < highest || rank == highest && len(list) < len(worst):
		case rank > highest, len(list) > len(worst), list[0].number < worst[0].number:
			worst, highest = list, rank
		}
	}
	return worst[0]
}

// ended stops counting c, whose goroutine has ended.
func (g *gate) ended(c *session) {
	g.leave(c)
	if c.leaving {
		c.leaving = false
		g.ending--
	}
}

// leave stops counting c, if it was counted.
func (g *gate) leave(c *session) {
	list := g.bySource[c.source]
	for i, other := range list {
		if other != c {
			continue
		}
		*g.count(c)--
		if len(list) == 1 {
			delete(g.bySource, c.source)
			return
		}
		rest := make([]*session, 0, len(list)-1)
		g.bySource[c.source] = append(append(rest, list[:i]...), list[i+1:]...)
		return
	}
}
