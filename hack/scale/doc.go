//go:build linux

// Command scale measures the operator at many machines. It starts a real control plane, the real operator as a process
// with exactly its ServiceAccount's rights, and as many real Tentacles as are asked for, each at a loopback address of its
// own; makes the targets; releases to them; and then watches the operator do nothing for a while.
//
//	scale [-targets N] [-steps N] [-runs N] [-projects N] [-history N] [-failover] [-idle MINUTES] [-profile DIR]
//
// With several projects, all are released at once, each to its share of the targets. Every script runs for real, and
// writes down when it ran. What the operator asks of the API server comes from the API server's audit log; CPU and memory
// come from /proc. Everything runs on one machine, so wall times are those of the whole: Tentacles, scripts, API server and
// operator share the processors.
//
// With -failover there is a standby, and the leader is killed in the middle of one more release; every step
// then has a window of a fifth of the targets, so that there is a middle. -history makes finished runs
// before the operator starts.
//
// Where others use the machine too, a run may not reach some of its targets in time: another run brings the release to
// them, for which Ready waits. Health is checked every five minutes, so idling is measured over ten or more.
//
// With a folder for profiles, it gets one of the operator's CPU of every ten seconds, and one of its memory after it. They
// cost the operator some CPU themselves. go tool pprof joins several.
//
// Every wait has a bound. What was started is ended by its process id, and the folder is removed.
package main
