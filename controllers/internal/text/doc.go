// Package text is the door through which text of strangers comes into statuses, events, metrics and messages. What a
// machine prints, or a person writes into a resource, may hold bytes that break `kubectl get -o yaml` for a whole list,
// or that move the cursor of who reads it.
//
// Clean is applied before Cut, as cleaning may only make a text shorter. The log store keeps output as it came: raw is
// given where raw is asked for.
package text
