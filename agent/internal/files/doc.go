// Package files is the file transfer service of a Tentacle (halibut.md section 6.6), confined to the
// home. What lies there is open to a trusted operator, but for two folders: .tentacle, where the owner's
// decisions are, and Work, where scripts are.
//
// Confinement does not rest on spelling. A path is first taken apart by its text: separators of both
// kinds, dots, absolute paths and, on Windows, names that mean something else there. Then it is walked
// from a handle of the home that was opened once (os.Root), one folder at a time: links are followed by
// this package, each step is checked to have opened what was looked at, and the identity of each folder
// is compared with those of the two that are closed. So another case, a short name, a link or a folder
// that is swapped while it is opened leads nowhere else.
//
// An upload is written beside its destination and renamed, so that a reader never sees a half. What a
// crash leaves of one is removed by Sweep at the next start. Refusals are final: the caller is told, in
// the words of halibut.md section 8.2, not to try again.
package files
