package session

import (
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/controllers/internal/text"
)

const (
	// minPause is the least time between two requests for a script that has news all the time. It is kept from the third answer
	// in a row on that comes sooner: after the first ones the script may end at any moment, and a pause would delay its result.
	minPause = 20 * time.Millisecond
	mostSoon = 2
	// maxGap bounds how many log entries a machine can skip between two answers, and maxSequence the number of an entry.
	maxGap      = 1 << 30
	maxSequence = 1 << 53
)

// holding returns how long the machine may hold its next answer.
func (c *Script) holding() time.Duration {
	if c.state != tentacle.Pending {
		return c.config.Wait
	}
	return min(c.holdFor.Step(), c.config.Wait)
}

// The bounds of sincePause.
const (
	shortest, longest = 100 * time.Millisecond, 2 * time.Second
	// longScript is a script of which nobody waits for the second of its end, and longestOfLong the pause for it.
	longScript, longestOfLong = 10 * time.Minute, 5 * time.Second
)

// sincePause returns the pause between polls of a machine that cannot hold its answer, such as Octopus's: short enough for
// the end of a script to be seen within a tenth of its length.
func sincePause(length time.Duration) time.Duration {
	most := longest
	if length > longScript {
		most = longestOfLong
	}
	return min(max(wait.Jitter(length/15, 0.3), shortest), most)
}

// setDelay sets the delay before the next request. There is none, or a short one, if the machine held its answer until there was
// news. A machine that answers at once without news is polled like any other.
func (c *Script) setDelay(held bool, took time.Duration) {
	if c.unheld {
		c.delay = sincePause(time.Since(c.asked))
		return
	}
	if c.progressed {
		c.poll = c.pollBackoff()
	}
	if c.soon++; took >= minPause {
		c.soon = 0
	}
	if held && (c.progressed || took >= c.config.PollMin) {
		c.delay = 0
		if c.soon > mostSoon {
			c.delay = minPause - took
		}
		return
	}
	c.delay = c.poll.Step()
}

const (
	// maxLine bounds the last line of the error output, in bytes.
	maxLine   = 4096
	tailLines = 10
)

// tail keeps the end of a text.
type tail struct{ lines []string }

func (t *tail) add(line string) {
	line = text.Clean(line) // before it is cut, so that no code of a colour is cut in two
	if len(line) > step.MaxTail {
		line = line[len(line)-step.MaxTail:]
	}
	line = strings.Clone(line) // so that the large answer that contains it is not kept alive
	if t.lines = append(t.lines, line); len(t.lines) > tailLines {
		t.lines = t.lines[1:]
	}
}

func (t *tail) String() string {
	said := strings.Join(t.lines, "\n")
	if len(said) > step.MaxTail {
		said = said[len(said)-step.MaxTail:]
	}
	return clean(said, step.MaxTail)
}
