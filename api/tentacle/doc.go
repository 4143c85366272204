// Package tentacle is the contract between whoever drives a machine and the Tentacle on it: the messages,
// the services with their rules, a client that speaks them over Halibut, and the adapter that serves an
// implementation of them. A driver makes a Client with NewClient and calls it as if the Tentacle were local;
// a Tentacle implements the Tentacle interface and hands it to Services. Underneath every call is one
// request and one response of package halibut; no call depends on the connection it came over, so any
// call may be sent again over another one.
//
// # Errors and refusals
//
// What a Tentacle decides about a script is a status, never an error: State Complete, a negative exit code,
// and one StdErr line that says why. A service error is kept for what is wrong with the request itself
// (a null ticket, a null body, a path that the file service refuses) and for what passes by itself (the
// disk is low, the Tentacle is shutting down). The first kind is final: its details begin with the
// TargetInvocationException sentence of halibut.md section 8.2, and halibut.ServerError.Retryable is false.
// The second kind is without that sentence, and the same call may be sent again. A halibut.ConnectError
// means that nothing of the request was sent. After a halibut.TransferError the outcome is unknown, and the
// rules below say what may be done then.
//
// # Tickets
//
// A ticket names one attempt to run one script. The driver chooses it: 1 to 100 letters, digits, dots,
// underscores and hyphens, but not "." or ".."; upper and lower case are the same ticket (ValidTicket,
// CanonicalTicket). It belongs to the operator, known by the thumbprint of its certificate, whose
// StartScript came first. To every other operator it does not exist: status and cancel answer
// ExitUnknownScript, its StartScript is answered so too and runs nothing, and CompleteScript does nothing.
//
// # IScriptServiceV2
//
// StartScript runs a script at most once for a ticket, however often, however concurrently and over however
// many connections it is sent; a repetition answers the status as it is, whatever its body says. So it is
// always safe to send again, until CompleteScript was sent, and after that too: a completed ticket answers
// ExitAlreadyCompleted for 30 days with a StdErr line from which ParseAlreadyCompleted takes the exit code.
// The response waits for the end of the script up to DurationToWaitForScriptToFinish, at most MaxWait.
//
// GetStatus answers with the state, and the output after LastLogSequence: at once, or within seconds where the script runs and
// has no news, as callers come ever more seldom. Entries are numbered from 1
// in the order in which the Tentacle has them; NextLogSequence is the number of the last entry in the
// response, to be sent back next time, and the same range may be asked for again. A response carries at most
// MaxStatus bytes of output, of the other methods MaxResponse. While entries remain behind its last one the state stays Running, so a
// caller that stops at the first Complete has the whole output. Within StdOut and within StdErr the order is
// that of the script; between the two there is none. An entry of Debug is the Tentacle's own: ours has one at the end of a script,
// which tells how it ended. ExitCode is meaningful only in a Complete status.
//
// CancelScript answers as GetStatus and asks for the end. A waiting script ends at once without having run,
// a running one with all its processes; both end with ExitCanceled. On a ticket that nobody started it
// answers ExitUnknownScript and leaves a mark: a StartScript that was overtaken then ends with
// ExitCanceled and runs nothing. CancelScript may be repeated.
//
// CompleteScript says that the driver has the result and needs no output any more. It never fails for an
// unknown ticket and may be repeated. A waiting script is cancelled by it. A running one goes on, nobody
// can see it any more, and the ticket's ExitAlreadyCompleted line lacks the exit code until it has ended.
//
// Scripts of one mutex name (IsolationMutexName, "RunningScript" where null) share a reader and writer lock:
// FullIsolation excludes all others, NoIsolation only the fully isolated. Who waits is Pending and has the
// three lines StdoutWait, a sentence, StdoutDefault in its output. After ScriptIsolationMutexTimeout it ends
// with the line TimedOutLine on StdOut and ExitTimeout; a timeout of zero waits without end.
//
// # IScriptService (V1)
//
// What drivers know that are older than V2, and all that the oldest Tentacles have. The same engine, the same
// mutexes and the same output, but the Tentacle makes the ticket (TicketV1), so StartScript runs a script each
// time that it arrives: after a halibut.TransferError it must not be sent again. It does not wait. A start that
// is refused answers a ticket all the same, whose status is Complete with the exit code of the refusal. A
// ticket that is unknown, another operator's or completed is Complete with exit code 0 and no output, which
// cannot be told from success (UnknownV1). CompleteScript answers the status and the output after
// LastLogSequence for the last time.
//
// # IMantleScriptServiceV1
//
// WaitForStatus is GetStatus that answers when there is something to say: at once where the ticket is
// Complete or unknown, or changes its state, or has 64 KiB of new output; 200 ms after the first new entry;
// at the latest after its MaxWait, of which more than MaxWait of this package is cut. It changes nothing, so
// it may be given up or sent again at any time. A Tentacle that has it lists MantleScriptServiceName.
//
// # IFileTransferService
//
// UploadFile writes a whole file, replaces what was there, makes the folders on the way, and answers its full
// path, its SHA-1 in lower-case hex and its size; a null stream writes nothing and answers a null hash.
// DownloadFile answers a stream of the size at the time it was opened, and null where no file is. Both may be
// repeated. Relative paths begin at the Tentacle's home, `/` and `\` both separate. A path outside the home,
// and anything below the folders `.tentacle` and `Work`, however spelled and through whatever links, is
// refused with a final error.
//
// # ICapabilitiesServiceV2
//
// GetCapabilities lists the services that are there, by name and in the order in which Octopus's Tentacles have
// them, and facts about the Tentacle (Facts). The answer may be kept for as long as a connection lasts. A
// Tentacle from before this service is answered for by the client, with the two services that such a one has
// (halibut.md section 5.2); Client.Facts tells it apart, and Client.For is the client that leaves it the pause
// that its reader needs before data streams.
package tentacle
