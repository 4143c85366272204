// Package text cleans untrusted text for statuses, events, metrics and messages. What a machine prints, or a user
// writes into a resource, may contain bytes that break `kubectl get -o yaml` for a whole list, or that move the
// reader's cursor.
//
// Call Clean before Cut: cleaning only makes a text shorter. The log store does not use this package; it stores and
// serves output unchanged.
package text
