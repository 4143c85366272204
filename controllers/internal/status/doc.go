// Package status writes the status of Mantle's kinds. A reconciler creates a Patcher at the beginning of a reconcile,
// changes the object, and patches once at the end; nothing is sent if nothing has changed.
//
// The setters write the conditions Ready, Reconciling and Stalled as kstatus reads them: Reconciling and Stalled exist
// only while they are True, and all have the generation to which they apply. Messages are cleaned and cut here, and so
// are the notes of events: WithEvents wraps the manager from which the controllers get their recorders. A Patcher is
// for one reconcile and is not safe for concurrent use.
package status
