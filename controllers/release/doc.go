// Package release reconciles Releases: it freezes the project's process and resolves the packages.
//
// Duty: when the Project is Ready at its current generation, the process, the variable definitions and the settings
// are frozen in a ControllerRevision. Each package is fetched once, and its digest is fixed from then on.
//
// Watches: Releases, Projects (a release waits for one) and DeploymentRuns (for status.deployments; only their phase and
// times).
// Writes: ControllerRevisions (created, or adopted if the content is the same) and the status of Releases.
// Never: reads a Secret, changes a Project, or deletes a Release.
//
// A pass reads the facts, decides, freezes and resolves, patches the status once, and then sends events. The project is read
// from the API server before it is frozen, and so is a snapshot whose name is not in the status. The package cache fetches
// the packages and enqueues the release when their state changes. It forgets the release once the digests are stored or the
// release is deleted.
package release
