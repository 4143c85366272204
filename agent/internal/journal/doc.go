// Package journal keeps what the engine did on this machine, one JSON line for each beginning and each
// end of a step, in `<home>/Applications/deployments.jsonl`.
//
// Open gives the journal of a home, Append adds a row, Newest and Installed read it. The journal is what
// "already installed" goes by, and what an operator that has lost its memory asks for, so it holds
// names, digests and phases, and never the value of a variable: of sensitive values there is only an
// HMAC under a key of the machine (Key), which tells that one changed and nothing else.
//
// The journal belongs to the account of scripts, so the turn to use it is the lock of a file that only the daemon's user can open
// (turn.go), and the key lies there, too. A row is one write of who has the turn; readers share it. A line that a power
// cut tore is passed over, and the next row begins on a line of its own. A step that began and has no
// end counts as one that did not end well.
package journal
