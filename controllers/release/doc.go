// Package release carries out Releases: it freezes the project's process and finds the packages.
//
// Duty: when the Project is Ready at its current generation, the process, the variable definitions and the settings
// are frozen in a ControllerRevision; each package is fetched once, and its digest holds from then on.
//
// Watches: Releases, Projects (a release waits for one) and DeploymentRuns (for status.deployments; only their phase and
// times).
// Writes: ControllerRevisions (made, or adopted with the same content) and the status of Releases.
// Never: reads a Secret, changes a Project, or deletes a Release.
//
// A pass gathers, judges, carries out and patches the status once, and then tells what changed. What is to be frozen is read
// past the cache, and so is a snapshot whose name is not known. Fetching happens in the package cache, which enqueues the
// release when there is news, and forgets it once its digests are stored or it is deleted.
package release
