package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/mantledeploy/mantle/controllers/internal/dispatch"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// Load provides the present numbers of actions and sessions.
type Load struct {
	Actions  func() dispatch.Stats
	Sessions func() session.Stats
}

// gauges returns gauges that are evaluated when they are scraped.
func (l Load) gauges() []prometheus.Collector {
	action := func(state string, of func(dispatch.Stats) int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "mantle_actions", ConstLabels: prometheus.Labels{"state": state},
			Help: "Actions by state: waiting (not accepted by their machine yet), running, or ended (the result is not written yet)."},
			func() float64 { return float64(of(l.Actions())) })
	}
	sessions := func(name, help string, of func(session.Stats) int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(of(l.Sessions())) })
	}
	return []prometheus.Collector{
		action("waiting", func(s dispatch.Stats) int { return s.Waiting }),
		action("running", func(s dispatch.Stats) int { return s.Running }),
		action("ended", func(s dispatch.Stats) int { return s.Ended }),
		sessions("mantle_dials", "Connections to machines that are being established.", func(s session.Stats) int { return s.Dials }),
		sessions("mantle_dials_waiting", "Connections to machines that wait for the limit of connections being established.", func(s session.Stats) int { return s.WaitingDials }),
		sessions("mantle_dials_limit", "Limit of connections to machines that are established at once (--max-dials).", func(s session.Stats) int { return s.MaxDials }),
		sessions("mantle_followers", "Scripts that are followed with a long poll.", func(s session.Stats) int { return s.Followers }),
		sessions("mantle_followers_limit", "Limit of scripts that are followed with a long poll (--max-followers); the others are polled.", func(s session.Stats) int { return s.MaxFollowers }),
	}
}
