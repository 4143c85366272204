package audit

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Text is the entry for people, in one line, in the time of this machine. Texts of others are quoted where they hold
// what a terminal would act on.
func (e Entry) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %-10s %-8s", e.Time.Local().Format("2006-01-02 15:04:05"), plain(e.What), plain(e.Decision))
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, " %s=%s", name, plain(value))
		}
	}
	field("operator", e.Operator)
	field("peer", e.Peer)
	field("user", e.User)
	field("ticket", e.Ticket)
	field("path", e.Path)
	if e.Size != nil {
		field("size", strconv.FormatInt(*e.Size, 10))
	}
	field("rule", e.Rule)
	field("script", e.Script)
	field("plan", e.Plan)
	if e.Count != 0 {
		field("count", strconv.FormatInt(e.Count, 10))
	}
	field("head", e.Head)
	field("reason", e.Reason)
	return strings.TrimRight(b.String(), " ")
}

// plain quotes what is not plain.
func plain(text string) string {
	if quoted := strconv.QuoteToGraphic(text); quoted != `"`+text+`"` || strings.Contains(text, " ") {
		return quoted
	}
	return text
}

// Shown says when, for messages.
func (e Entry) shown() string { return e.Time.UTC().Format(time.RFC3339) }
