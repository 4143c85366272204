// Package output keeps what a script prints: numbered entries, one per line, in segments of about 1 MiB
// in the folder of its ticket. It is written by one process at a time (a Writer) and read by any number,
// also while it is being written (a Reader), without an index, a lock or a word between them.
//
// A Writer is fed through Streams, one for each source, which split bytes into lines at \n, \r\n and a
// lone \r, replace what is not UTF-8, and cut lines at 4 MiB, so that memory is bounded whatever a
// script prints. Entries keep the order of their stream. Nothing is synced: a power cut may cost the end.
//
// A segment is named after the number of its first entry and begins with how much lay before it. An entry
// is a header with a checksum, and its text; a reader takes only what is whole. Of a large output the
// first 40 MB and the last 10 MB stay: once the head is full, the oldest later segment goes when newer
// ones hold enough. Where numbers are missing (removed, or not written because the disk was full) a reader
// sees one entry in their place that says what is missing; it has the last of the missing numbers.
package output
