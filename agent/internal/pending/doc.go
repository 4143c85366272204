// Package pending remembers the operators who showed a certificate and were refused, for the owner of the machine
// to approve or ignore (`tentacle trust pending`).
//
// The daemon has a List, which keeps them in memory and writes them to <home>/.tentacle/pending.json: a second
// after the first change, then at most every half minute, and when it is closed, so that a flood of strangers
// costs no more than a glance at a map. There is no ticker. Commands change the file by Remove and Ignore; what
// they take away is gone from the memory too at the next write, or when the daemon looks at its files again.
//
// It is bounded: 256 operators, 16 for each address (/64 in IPv6). When it is full, one of the address with most
// makes room, first of those who tried once or within a minute, the longest silent of them. So whoever comes again
// and again, as an operator does, stays, and strangers push out each other.
package pending
