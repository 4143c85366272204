// Package policy is the owner's file: what operators that are trusted may do on this machine, and when.
//
// The file is <home>/.tentacle/policy.yaml. Without it a trusted operator may do what the user of the scripts can.
// With it, each operator has the rules of its own entry, by either thumbprint, or those under "*"; who has none may
// do nothing. Parse reads the file strictly: whatever is not understood is an error with its line and a remedy, as a
// rule that is passed over is worse than none. A file that cannot be read, or has an error, forbids everything to
// everybody.
//
// List is the file as the daemon uses it. Check is asked when a script is started and again when its turn comes,
// CheckUpload and CheckDownload before a transfer; each looks whether the file was replaced since, so that a change
// takes effect at the next request, without a timer and without a signal. What is refused is a *Refusal, which names
// the rule as the file spells it.
//
// A raw script can do anything that its user can, so rules about what is run hold only for engine calls
// (api/step.IsCall): requireEngine refuses everything else, and interpreters, users and folders need it. What a
// script of an engine call does is code of somebody's choosing all the same. A policy is enforced where scripts run
// as another user than the daemon; where they share one, a script could rewrite the policy, and it is advisory.
package policy
