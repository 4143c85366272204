// Package step is the contract between the operator, which decides what one step does on one machine,
// and the engine (`tentacle step`), which does it there.
//
// The operator fills a Plan, calls Command to get the message that starts it on a Tentacle, and feeds
// every line of output to a Scanner, which tells what a person should see and, at the end, the Result.
// The engine reads the plan with DecodePlan, the secrets with DecodeSecrets, and answers with the
// message functions of this package (FormatOutput, FormatResult, FormatInventory).
//
// A plan is versioned JSON and never holds a sensitive value: a Value is either text or the number of a
// secret, and the secrets travel in a file of their own that the engine unlinks before it does anything
// else. A ticket is derived from what it stands for (Ticket), so that whoever takes over after a crash
// derives the same one and asks for its status instead of starting the step again. What comes back is
// ordinary output with service messages in between, written as Octopus writes its own: a line
// `##octopus[name key='base64' …]`, and for what Octopus does not have `##mantle[name …]`. Messages that
// carry a result hold the plan's nonce, so that a script which happens to print something alike is not
// taken for the engine.
package step
