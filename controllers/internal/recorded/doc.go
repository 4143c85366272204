// Package recorded waits until statuses show what a run did.
//
// What a run did is written in its slices. Targets take it into status.installed, and its binding takes how it ended into
// status.record; a cache may be late to show either. Who compares before they show it deploys again (Before), and a run
// that goes before they do takes with it what it knew (After). Neither waits for ever.
package recorded
