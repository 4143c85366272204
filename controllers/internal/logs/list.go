package logs

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/ledger"
)

// maxListed bounds one list.
const maxListed = 10_000

// Output is one line of a list.
type Output struct {
	Target  string `json:"target"`
	Step    string `json:"step"`
	Attempt int32  `json:"attempt"`
	// Phase of the action, if the attempt is the newest one.
	Phase v1alpha1.StepPhase `json:"phase,omitempty"`
	// Size in bytes of the stored file: a little more than the text.
	Size int64 `json:"size"`
	// Kept is true if this operator has the output.
	Kept bool `json:"kept"`
	// Path of the output.
	Path string `json:"path"`
}

// List is the answer to a request for a list.
type List struct {
	Items []Output `json:"items"`
	// More is true if the list is incomplete; request the list of one target.
	More bool `json:"more,omitempty"`
}

// list serves the list of outputs of a run, or of one of its targets.
func (h *handler) list(ctx context.Context, w http.ResponseWriter, of logRequest) *failure {
	all := h.store.files(of)
	for n := range min(of.run.Status.Slices, ledger.MaxSlices) {
		slice, err := h.slice(ctx, h.client, of, n)
		if err != nil {
			return err
		}
		if slice != nil {
			all.rows(of, slice)
		}
	}
	list := all.sorted()
	if of.json {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(list)
		return nil
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "TARGET\tSTEP\tATTEMPT\tPHASE\tSIZE\tPATH")
	for _, o := range list.Items {
		size := strconv.FormatInt(o.Size, 10)
		if !o.Kept {
			size = "-"
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%s\n", o.Target, o.Step, o.Attempt, cmp.Or(string(o.Phase), "-"), size, o.Path)
	}
	_ = t.Flush()
	if list.More {
		fmt.Fprintf(w, "The list is incomplete; request one target: GET %s%s/%s/<target>\n", Prefix, of.namespace, of.name)
	}
	return nil
}

// place identifies an output in a run.
type place struct {
	target, step string
	attempt      int32
}

// found are the outputs of a run.
type found map[place]Output

// rows adds the actions in a slice.
func (all found) rows(of logRequest, slice *v1alpha1.DeploymentRunSlice) {
	for i := range slice.Status.Results {
		result := &slice.Status.Results[i]
		if of.target != "" && result.Target != of.target {
			continue
		}
		for j := range result.Steps {
			row := &result.Steps[j]
			at := place{result.Target, row.Name, row.Attempt}
			o, kept := all[at]
			if !kept && (!row.Sent || len(all) > maxListed) {
				continue
			}
			if !kept {
				o = of.output(at)
			}
			o.Phase = row.Phase
			all[at] = o
		}
	}
}

func (of logRequest) output(at place) Output {
	return Output{Target: at.target, Step: at.step, Attempt: at.attempt,
		Path: fmt.Sprintf("%s%s/%s/%s/%s?attempt=%d", Prefix, of.namespace, of.name, at.target, at.step, at.attempt)}
}

// files returns the stored outputs of a run, of all targets or of one.
func (s *Store) files(of logRequest) found {
	all := found{}
	dir := s.pathOf(folder{of.namespace, of.run.UID})
	targets := []string{of.target}
	if of.target == "" {
		targets = names(dir)
	}
	for _, target := range targets {
		if !segment.MatchString(target) {
			continue
		}
		for _, name := range names(filepath.Join(dir, target)) {
			at, is := placeOf(target, name)
			info, err := os.Stat(filepath.Join(dir, target, name))
			if !is || err != nil || len(all) > maxListed {
				continue
			}
			o := of.output(at)
			o.Size, o.Kept = info.Size(), true
			all[at] = o
		}
	}
	return all
}

// names returns the names in a folder, in order; nil if it cannot be read.
func names(dir string) (list []string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, entry := range entries {
		list = append(list, entry.Name())
	}
	return list
}

// placeOf parses the name of a file, <step>.<attempt>.log. A dot in the step is a slash in its path.
func placeOf(target, name string) (place, bool) {
	rest, is := strings.CutSuffix(name, ".log")
	dot := strings.LastIndexByte(rest, '.')
	if !is || dot < 1 {
		return place{}, false
	}
	attempt, err := strconv.ParseUint(rest[dot+1:], 10, 31)
	if err != nil {
		return place{}, false
	}
	return place{target, strings.Replace(rest[:dot], ".", "/", 1), int32(attempt)}, true
}

func (all found) sorted() List {
	list := List{Items: make([]Output, 0, len(all))}
	for _, o := range all {
		list.Items = append(list.Items, o)
	}
	slices.SortFunc(list.Items, func(a, b Output) int {
		return cmp.Or(strings.Compare(a.Target, b.Target), strings.Compare(a.Step, b.Step), cmp.Compare(a.Attempt, b.Attempt))
	})
	if len(list.Items) > maxListed {
		list.Items, list.More = list.Items[:maxListed], true
	}
	return list
}
