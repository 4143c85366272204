// Package deploy unpacks a package's content on this machine and makes it the current one.
//
// Digests and Installed tell whether a step would change anything; Install does it and returns the
// folder; Contents and FreeBytes are for the inventory. Errors that say something of the package are an
// *Error with one of api/step's reasons; all others are the machine's.
//
// A package goes from Files/mantle/<sha256>/content.<format> to a staging folder beside its final one,
// through a reader that computes the digest and counts, so that a content with another digest, too many
// files or too much in too little never gets a name. Every name is checked and every file is created
// through os.Root, in a folder where nothing but what this archive made exists; links may only point
// within. The finished folder gets a marker file, is put on the disk, renamed to its version (or
// version_1, …, if that is taken), and only then the link `current` is exchanged in one rename. A
// process that dies anywhere between leaves the link as it was or as it should be, and a staging folder
// that the next installation removes.
package deploy
