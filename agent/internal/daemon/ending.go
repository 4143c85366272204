package daemon

import (
	"slices"

	"github.com/mantledeploy/mantle/agent/internal/scripts"
)

// mostNamed is how many scripts the log names at the daemon's end; `tentacle scripts` lists all.
const mostNamed = 20

// tellEnd says that the daemon ends, and which scripts go on without it. Whoever ends it by its service manager
// looks for that there.
func (p *parts) tellEnd() {
	seen, err := scripts.View(p.home, 0)
	if err != nil {
		p.logger.Warn("ending: scripts that run go on; they cannot be listed", "error", err)
		return
	}
	going := slices.DeleteFunc(seen, func(s scripts.Seen) bool { return s.State != scripts.SeenRunning && s.State != scripts.SeenWaiting })
	if len(going) == 0 {
		p.logger.Info("ending: no further connections are taken; no script runs")
		return
	}
	names := make([]string, 0, mostNamed)
	for _, s := range going[:min(len(going), mostNamed)] {
		names = append(names, s.Ticket+" ("+s.State+")")
	}
	p.logger.Info("ending: no further connections are taken; scripts go on, and the next daemon finds them", "scripts", len(going), "tickets", names, "endThem", "tentacle service stop --scripts")
}
