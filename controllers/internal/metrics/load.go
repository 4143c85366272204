package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/mantledeploy/mantle/controllers/internal/dispatch"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// Load tells what the operator does at the moment.
type Load struct {
	Actions  func() dispatch.Stats
	Sessions func() session.Stats
}

// gauges are read when they are asked for.
func (l Load) gauges() []prometheus.Collector {
	action := func(state string, of func(dispatch.Stats) int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "mantle_actions", ConstLabels: prometheus.Labels{"state": state},
			Help: "Actions: waiting until their machine takes them, running there, or ended and not yet written."},
			func() float64 { return float64(of(l.Actions())) })
	}
	sessions := func(name, help string, of func(session.Stats) int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(of(l.Sessions())) })
	}
	return []prometheus.Collector{
		action("waiting", func(s dispatch.Stats) int { return s.Waiting }),
		action("running", func(s dispatch.Stats) int { return s.Running }),
		action("ended", func(s dispatch.Stats) int { return s.Ended }),
		sessions("mantle_dials", "Connections to machines that are being made.", func(s session.Stats) int { return s.Dials }),
		sessions("mantle_dials_waiting", "Connections to machines that wait until others are made.", func(s session.Stats) int { return s.WaitingDials }),
		sessions("mantle_dials_limit", "How many connections to machines are made at once (--max-dials).", func(s session.Stats) int { return s.MaxDials }),
		sessions("mantle_followers", "Scripts that are followed.", func(s session.Stats) int { return s.Followers }),
		sessions("mantle_followers_limit", "How many scripts are followed at once (--max-followers); the others are polled.", func(s session.Stats) int { return s.MaxFollowers }),
	}
}
