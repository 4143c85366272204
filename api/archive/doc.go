// Package archive has the rules by which the archives of packages are judged. The operator applies them when it resolves
// a release and a machine when it unpacks, so that what a machine would refuse is refused before it is sent.
//
// An archive is a tar or a zip. Its entries are files, folders and links whose names lie within the package: no absolute
// name, no `..`, nothing below a file or a link. Of two entries of one name the later one holds, as with tar, but nothing takes
// the place of a folder. A link is relative and stays within. A hard link is to a file before it, or to itself, which changes
// nothing. Sparse files of tar are files. What they unpack to is bounded, whatever the archive says of itself. Modes are
// those of the archive, as `tar -p` has them, but for setuid, setgid and sticky, and at least u+rwX.
//
// Entries are judged one by one and in their order by a Judge; Tar and Zip say what an entry is. It depends on the
// system which names are one and which a system takes for something else: the operator, which does not know it, judges by
// the zero System. The package has no dependency and reads no file system.
package archive
