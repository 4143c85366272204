// Package hostservice makes the daemon a service of its machine: a systemd unit on Linux, a service of the
// service control manager on Windows. Elsewhere it says what to do instead.
//
// Two rules shape it. Scripts belong to their operators and outlive every daemon, so nothing that a service
// manager does to the daemon may reach them: systemd ends the one process (KillMode=process), and does not
// judge the service by what a script does (OOMPolicy, TasksMax). And whatever a unit forbids the daemon it
// forbids every script, as those are its children: so a unit forbids nothing. What a script may do is decided
// by the user that it runs as and by the owner's policy.
//
// Unit writes a systemd unit and readUnit reads back what it was made of, both without looking at the machine.
// System is the machine's service manager. Serve is the other side: how `tentacle run` answers Windows when it
// was started by it. Nothing here is called by a daemon but Serve; the rest serves people's commands, which is
// why this package may start a program (systemctl), by its full path and for a bounded time.
//
// A package of a distribution brings the unit that Unit makes for its paths, so that both ways end in the same
// service.
package hostservice
