// Package status is the only door to the status of our kinds. A reconciler takes a Patcher when a pass begins,
// changes the object it was given, and patches once at the end; nothing is sent where nothing changed.
//
// The setters write the conditions Ready, Reconciling and Stalled as kstatus reads them: Reconciling and Stalled
// are there only while they are true, and all carry the generation that they speak of. Messages are cleaned and cut here,
// those of events too: WithEvents wraps the manager that the controllers take their recorders from. A Patcher belongs to
// one pass and is not safe for concurrent use.
package status
