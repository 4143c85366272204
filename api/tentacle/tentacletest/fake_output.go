package tentacletest

import (
	"fmt"
	"time"

	"github.com/mantledeploy/mantle/api/tentacle"
)

// What a Tentacle keeps of a script's output, in bytes as tentacle.EntryCost counts them.
const (
	headKept = 40_000_000
	tailKept = 10_000_000
)

// output is the numbered output of a script: its beginning, and once the script has ended its end.
type output struct {
	entries        []tentacle.ProcessOutput
	headCost       int
	tail           []tentacle.ProcessOutput
	tailCost       int
	cutLines       int
	cutBytes       int64
	tailing, ended bool
	// whole says that all of it is kept, and that an answer has all that is new; see Generation.
	whole bool
}

func (o *output) add(source tentacle.ProcessOutputSource, text string) {
	if o.ended {
		return
	}
	e := tentacle.ProcessOutput{Source: source, Occurred: time.Now().UTC(), Text: text}
	cost := tentacle.EntryCost(e)
	if o.whole || !o.tailing && o.headCost+cost <= headKept {
		o.entries = append(o.entries, e)
		o.headCost += cost
		return
	}
	o.tailing = true
	o.tail = append(o.tail, e)
	o.tailCost += cost
	for o.tailCost > tailKept {
		dropped := tentacle.EntryCost(o.tail[0])
		o.cutLines++
		o.cutBytes += int64(len(o.tail[0].Text))
		o.tailCost -= dropped
		o.tail = o.tail[1:]
	}
}

// close lets the kept end of the output follow its beginning.
func (o *output) close() {
	if o.cutLines > 0 {
		o.entries = append(o.entries, tentacle.ProcessOutput{
			Source: tentacle.StdErr, Occurred: time.Now().UTC(),
			Text: fmt.Sprintf("%d lines of output, %d bytes, were cut here", o.cutLines, o.cutBytes),
		})
	}
	o.entries = append(o.entries, o.tail...)
	o.tail, o.ended = nil, true
}

// after returns the entries behind the last that the caller has, up to what one response carries, the number
// of the last one returned, and whether more remain.
func (o *output) after(last int64) (logs []tentacle.ProcessOutput, next int64, more bool) {
	total := int64(len(o.entries))
	if last >= total {
		return []tentacle.ProcessOutput{}, last, false
	}
	first := max(last, 0)
	next = first
	if o.whole {
		next = total
	}
	for cost := 0; next < total; next++ {
		cost += tentacle.EntryCost(o.entries[next])
		if cost > tentacle.MaxResponse && next > first {
			break
		}
	}
	return o.entries[first:next:next], next, next < total
}

// news tells the size of what is behind the last that the caller has, and when it began.
func (o *output) news(last int64) (since time.Time, size int) {
	first := max(last, 0)
	if first >= int64(len(o.entries)) {
		return time.Time{}, 0
	}
	for _, e := range o.entries[first:] {
		if size += tentacle.EntryCost(e); size >= enough {
			break
		}
	}
	return o.entries[first].Occurred, size
}
