package desired

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// maxOthers bounds how many releases besides the first are named.
const maxOthers = 3

// Releases counts the releases of one project on the targets of one environment.
type Releases struct {
	having                    map[string]int
	total, failed, incomplete int
}

// Add counts the row of one target.
func (r *Releases) Add(row *v1alpha1.InstalledRelease) {
	r.total++
	switch row.Phase {
	case v1alpha1.InstalledSucceeded:
		if r.having == nil {
			r.having = map[string]int{}
		}
		r.having[row.Release]++
	case v1alpha1.InstalledFailed:
		r.failed++
	default:
		r.incomplete++
	}
}

// Most returns the release that most targets have (the newer one of two; empty if there is none), how many of the
// targets have it ("2/3"), and what the others have ("1.3.0 1, 1 failed").
func (r *Releases) Most() (release, count, others string) {
	type having struct {
		release string
		targets int
	}
	list := make([]having, 0, len(r.having))
	for release, n := range r.having {
		list = append(list, having{release, n})
	}
	slices.SortFunc(list, func(a, b having) int {
		return cmp.Or(cmp.Compare(b.targets, a.targets), v1alpha1.Version(b.release).Compare(v1alpha1.Version(a.release)), cmp.Compare(b.release, a.release))
	})
	most := 0
	if len(list) > 0 {
		release, most = list[0].release, list[0].targets
		list = list[1:]
	}
	var words []string
	unnamed := 0
	for i, other := range list {
		if i < maxOthers {
			words = append(words, fmt.Sprintf("%s %d", other.release, other.targets))
		} else {
			unnamed += other.targets
		}
	}
	for _, rest := range []struct {
		n    int
		text string
	}{{unnamed, "of others"}, {r.failed, "failed"}, {r.incomplete, "incomplete"}} {
		if rest.n > 0 {
			words = append(words, fmt.Sprintf("%d %s", rest.n, rest.text))
		}
	}
	return release, fmt.Sprintf("%d/%d", most, r.total), strings.Join(words, ", ")
}
