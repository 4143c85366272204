// Package recorded waits until statuses show the result of a run.
//
// A run's results are written in its slices. Then the controllers of targets and of bindings record them in
// status.installed and status.record; a cache may show either late. A run that chose its targets before that would
// deploy twice (Before), and if a run were deleted before that, its results would be lost (After). Both waits are
// bounded.
package recorded
