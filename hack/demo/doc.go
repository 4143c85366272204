// Command demo shows Mantle doing its main job for real, on one machine and in less than a minute: a real Kubernetes API,
// the operator with its ServiceAccount's rights, three Tentacles, and a web service that is deployed to them, rolled to a
// new version while it is used, stopped by a failing smoke test, and taken back.
//
// Everything runs as a process on loopback in a temporary folder and is gone at the end. With KEEP=1 it stays until
// Ctrl-C, and the demo prints what to try. story.go is the story, scene.go and package stage what it is played on.
package main
