// Package audit is the record of what operators asked of this machine and what became of it, and of what its
// owner changed: lines of JSON in <home>/.tentacle/audit, to which is only ever added.
//
// Each line has a number and the SHA-256 of the line before, so that one that is edited, taken away or put
// elsewhere no longer fits its neighbours. The end of the chain, the head (COUNT:HASH), is kept in the file
// `head` beside it and told to operators; Verify finds a tail that was cut, as the head names a line that is
// not there. All this is proof only against who cannot write the folder, or with a head that is kept elsewhere:
// who can write it can also make a new chain.
//
// A Log is the writing end. The daemon has one open, and commands open one for what they change, also while the
// daemon runs: the lines are written under a lock of the folder, and each writer first looks whether the
// file is as it left it. Append returns when the line is on the disk, and lines of several callers share one
// sync; Note joins lines that may wait, and syncs them a second later. Only what was synced gets into the
// head, so that a power cut never makes the head name a line that the disk does not have. There is no
// ticker.
//
// A Recorder is a Log for what operators do: what they ask for in vain is counted, so that nobody can push older
// lines out of the log by it.
//
// What a writer finds at the end of the file is never repaired in silence. A last line that is torn stays where it
// is, with a line behind it that gives its length and digest (What is "torn"). A head that is behind the
// file, as after a kill, is caught up. A file that is shorter than its head gets a line that says what is
// missing ("gap"), which Verify reports for as long as the line is kept. Lines that could not be written, as on a full
// disk, are counted in the next one that can ("lost").
//
// The file that is written is audit.jsonl. When it is larger than 8 MiB it is renamed to audit-N.jsonl, N
// being the number of its first line, and a new one begins with a line that names the head of the old one. The
// newest 24 are kept. Before an older one is deleted, a line says which lines go ("removed").
//
// A line holds digests of scripts, and never a script, an argument, a file's content or a variable.
package audit
