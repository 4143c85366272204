// Package scripts runs scripts for operators, each at most once, and remembers them across restarts of the
// daemon. A Store is one home's scripts; its methods are those of the script service (halibut.md section
// 6.4) with the operator's thumbprint before them. Open it while holding the daemon's lock on the home, and
// before listening: it finds what became of every script that an earlier daemon knew.
//
// A ticket is one state machine:
//
//	received ─► recorded ─► waiting for the mutex ─► claimed ─► running ─► finished ─► completed ─► (tombstone) ─► forgotten
//	   └─ refused   └─────────────── cancelled ────────────────────┘
//	at start-up, the first that holds: tombstone → swept;  result written → finished;  claim locked → Running;  started → Lost;  otherwise → start
//
// received: the files are being written; others wait, and a status is Pending. recorded: the script's files, the ticket file
// and the line of the audit log are synced, all at the same time, and the ticket survives; only then is StartScript answered. claimed:
// the supervisor of package process has made the file that decides that this ticket runs. finished: there is a result; the isolation
// mutex is free again. completed: the operator has the result. A tombstone then remembers the ticket for 30 days, so that a start
// that was under way for long runs nothing; a cancel of a ticket that never arrived leaves one too. Tombstones are synced in
// groups (bury.go), and what there is of a ticket goes only after its tombstone is on the disk.
//
// What is on the disk after each step of a ticket's life is the table "What is on the disk when" of agent/README.md. That it is
// enough is tested at 500 instants of SIGKILL (kill_test.go), and by a power cut after every write (powercut_linux_test.go).
//
// Each ticket that is recorded and not finished has one goroutine (drive.go), which waits for the mutex, launches
// the supervisor and follows it. All else happens in the goroutine of the call. The state is in the ticket's
// files (<home>/.tentacle/tickets/<ticket in lower case>, see package process); what a ticket has in memory is a cache
// of it, and a channel to wait for changes. The script's own folder is <home>/Work/<ticket>; that of a step is made by the
// supervisor, when it starts the interpreter. Two operators may use the same ticket; the second one's names have a mark of
// the operator behind them (owner.go).
//
// Script service V1 is the same tickets by other names (v1.go): the Store makes the ticket, and as its caller
// hears of a refusal only from the status, a refusal is recorded as a ticket that has ended.
//
// No timer runs while nothing runs: what is old is swept by Open and after CompleteScript.
package scripts
