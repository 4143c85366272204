package halibut

import (
	"net"
	"net/netip"
)

// gate counts the connections whose peer is not known yet. Its owner's lock guards it.
type gate struct {
	most, mostPerSource int
	all                 int
	bySource            map[string][]*session
}

func newGate(most, mostPerSource int) gate {
	return gate{most: most, mostPerSource: mostPerSource, bySource: map[string][]*session{}}
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

// enter counts c, and returns the one that must go for it, or nil: of its own source where that has too many,
// else the oldest of the source with most.
func (g *gate) enter(c *session) *session {
	var victim *session
	switch own := g.bySource[c.source]; {
	case len(own) >= g.mostPerSource:
		victim = own[0]
	case g.all >= g.most:
		victim = g.oldestOfMost()
	}
	if victim != nil {
		g.leave(victim)
	}
	g.bySource[c.source] = append(g.bySource[c.source], c)
	g.all++
	return victim
}

func (g *gate) oldestOfMost() *session {
	var most []*session
	for _, list := range g.bySource {
		if len(list) > len(most) {
			most = list
		}
	}
	return most[0]
}

// leave stops counting c, if it was counted.
func (g *gate) leave(c *session) {
	list := g.bySource[c.source]
	for i, other := range list {
		if other != c {
			continue
		}
		g.all--
		if len(list) == 1 {
			delete(g.bySource, c.source)
			return
		}
		rest := make([]*session, 0, len(list)-1)
		g.bySource[c.source] = append(append(rest, list[:i]...), list[i+1:]...)
		return
	}
}
