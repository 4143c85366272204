package main

import (
	"fmt"
	"io"
	"slices"
)

// budget is one line of the table: the aim is met by the given share of what is measured, the limit by all of it.
type budget struct {
	name       string
	values     []measured
	share      float64
	aim, limit int
	enforced   bool // here; otherwise by the linter
}

// report prints the table and the worst offender of each line, and says whether every limit that is enforced here
// holds.
func report(out io.Writer, m *measures) bool {
	budgets := []budget{
		{"lines of a file", m.files, 0.90, 200, 300, false},
		{"lines of a test file", m.tests, 0.90, 400, 600, true},
		{"lines of a function", m.functions, 0.95, 40, 60, false},
		{"complexity of a function", m.branches, 0.95, 8, 12, false},
		{"lines of Reconcile", m.reconciles, 1, 35, 50, true},
		{"lines of the file of main", m.mains, 1, 100, 150, true},
	}
	good := true
	fmt.Fprintf(out, "%-26s %6s %5s %5s %5s %6s  %s\n", "measure", "count", "share", "is", "aim", "limit", "longest")
	for _, b := range budgets {
		if len(b.values) == 0 {
			continue
		}
		slices.SortFunc(b.values, func(x, y measured) int { return x.value - y.value })
		worst := b.values[len(b.values)-1]
		at := b.values[int(b.share*float64(len(b.values)-1)+0.5)]
		note := ""
		switch {
		case worst.value > b.limit && b.enforced:
			good, note = false, "  OVER THE LIMIT"
		case at.value > b.aim:
			note = "  over the aim"
		}
		fmt.Fprintf(out, "%-26s %6d %4.0f%% %5d %5d %6d  %d %s%s\n",
			b.name, len(b.values), 100*b.share, at.value, b.aim, b.limit, worst.value, worst.where, note)
	}
	return good
}
