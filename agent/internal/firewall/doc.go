// Package firewall writes the one rule that a machine's firewall needs for its Tentacle, in the words of the
// firewall that the machine has, so that an administrator can read it, ask for it and put it in. It changes
// nothing and starts nothing.
//
// A Tentacle only listens: the rule lets TCP to one port in, from the addresses of its operators. There is no rule
// for the other direction.
package firewall
