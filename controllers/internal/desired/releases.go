package desired

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// maxOthers bounds how many releases beside the first are named.
const maxOthers = 3

// Releases counts what targets have of one project in one environment.
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

// Most is the release that most targets have, the newer of two, and empty where none has any; how many have it, of how
// many, as "2/3"; and what the others have, as "1.3.0 1, 1 failed".
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
		return cmp.Or(cmp.Compare(b.targets, a.targets), compareVersions(b.release, a.release), cmp.Compare(b.release, a.release))
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

// compareVersions orders versions by age: by their numbers, of which missing ones are 0, and a pre-release before its release,
// by the rules of SemVer 2.
func compareVersions(a, b string) int {
	numbersA, preA, isA := strings.Cut(a, "-")
	numbersB, preB, isB := strings.Cut(b, "-")
	if d := compareParts(numbersA, numbersB, "0"); d != 0 {
		return d
	}
	switch {
	case isA && isB:
		return compareParts(preA, preB, "")
	case isA:
		return -1
	case isB:
		return 1
	default:
		return 0
	}
}

// compareParts compares what dots separate, part by part; missing stands for a part that only one of the two has.
func compareParts(a, b, missing string) int {
	partsA, partsB := strings.Split(a, "."), strings.Split(b, ".")
	for i := range max(len(partsA), len(partsB)) {
		x, y := missing, missing
		if i < len(partsA) {
			x = partsA[i]
		}
		if i < len(partsB) {
			y = partsB[i]
		}
		if d := comparePart(x, y); d != 0 {
			return d
		}
	}
	return 0
}

// comparePart orders nothing before numbers, and numbers before words. A number has any length.
func comparePart(a, b string) int {
	rank := func(s string) int {
		switch {
		case s == "":
			return 0
		case strings.Trim(s, "0123456789") == "":
			return 1
		default:
			return 2
		}
	}
	if d := cmp.Compare(rank(a), rank(b)); d != 0 {
		return d
	}
	if rank(a) == 1 {
		a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	}
	return cmp.Compare(a, b)
}
