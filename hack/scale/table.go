//go:build linux

package main

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// table is a title and rows, printed as Markdown.
type table struct {
	title string
	rows  [][2]string
}

func newTable(title string) *table { return &table{title: title} }

func (t *table) row(what string, measured any) {
	t.rows = append(t.rows, [2]string{what, fmt.Sprint(measured)})
}

func (t *table) print() {
	width := 0
	for _, r := range t.rows {
		width = max(width, len(r[0]))
	}
	say("\n## %s\n\n| %-*s | measured |\n|%s|--:|", t.title, width, "what", dashes(width+2))
	for _, r := range t.rows {
		say("| %-*s | %s |", width, r[0], r[1])
	}
}

func dashes(n int) string { return string(slices.Repeat([]byte("-"), n)) }

// print prints how often each kind was asked for, how often that was refused, and how long the API server took.
func (t tally) print(title string) {
	say("\n%s:\n\n| resource                         | verb          |  count | refused | median ms | p99 ms |\n|---|---|--:|--:|--:|--:|", title)
	for _, k := range t.kinds() {
		a := t[k]
		slices.Sort(a.took)
		say("| %-32s | %-13s | %6d | %7d | %9.1f | %6.1f |", k.resource, k.verb, a.count, a.refused,
			percentile(a.took, 50).Seconds()*1000, percentile(a.took, 99).Seconds()*1000)
	}
}

// join adds other requests.
func (t tally) join(more tally) {
	for k, a := range more {
		if t[k] == nil {
			t[k] = &asked{}
		}
		t[k].count += a.count
		t[k].refused += a.refused
		t[k].took = append(t[k].took, a.took...)
	}
}

// percentile is that of sorted values; 100 is the largest.
func percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, len(sorted)*p/100)]
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// share is CPU time, and what share of a core it is.
func share(u spent) string {
	return fmt.Sprintf("%.2f s (%.1f %% of a core)", u.cpu.Seconds(), 100*u.cpu.Seconds()/max(u.wall.Seconds(), 0.001))
}

func megabytes(n int64) string { return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20)) }
func kibibytes(n int) string   { return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10)) }

// eachItem calls f with every object of a list.
func eachItem(list client.ObjectList, f func(client.Object)) error {
	err := meta.EachListItem(list, func(o runtime.Object) error {
		f(o.(client.Object))
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading a list: %w", err)
	}
	return nil
}
