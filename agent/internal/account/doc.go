// Package account is about the accounts of a machine: what an account is, and how the daemon does file work
// with the rights of another one.
//
// Scripts may run as another account than the daemon's (the setting scriptUser). What they can write, Work,
// Files and Applications, then belongs to that account, and whatever is there may be a trap for a daemon that
// has more rights: a link to a file of the system, a folder that is swapped while it is walked. The daemon
// does not try to see through such traps. It does that work with As, by which the system itself holds it to
// what the account could do, and lets what it makes belong to that account: no file has to be given away
// afterwards, no link can lead where the account could not go by itself, and of the system's capabilities
// only those to change users are needed.
//
// On Linux As changes the user, the group and the supplementary groups by which one thread is judged when it
// uses files (setfsuid(2)), and changes them back. Other systems have nothing like it; there an account is
// only ever the daemon's own.
//
// Accounts are looked up by package process, as that needs a program of the system.
package account
