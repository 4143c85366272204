// Package masking takes sensitive values out of a stream of bytes before it leaves the machine.
//
// New makes a Masker of the values; each stream (a script's stdout, its stderr) has a Writer of its own,
// which passes everything on with every occurrence of a value replaced by Mask, and Masker.String does
// the same for a text in one piece.
//
// A value is also masked without the white space around it, and as programs show it: quoted for a shell, escaped for JSON, HTML
// or a URL, in base64 and in hex. Programs break text into lines where it has blanks, and colour words of it: white space in a value
// stands for any other, line ends and what PowerShell draws at the beginning of a line too, and codes of colours in it count for
// nothing. What a program makes of a value otherwise cannot be known: parts of it, its characters in another order, case or encoding
// (UTF-16), encrypted, compressed, or with something between its characters, as in a hex dump or a line that is broken within a word.
// Of base64 that has other bytes around a value, the characters at its two ends that depend on these bytes stay, with up to four
// bits of the value.
//
// All values are looked for at once by an automaton over bytes (Aho and Corasick's), so that the cost
// does not grow with their number, and a value that arrives in many pieces is found like one that
// arrives whole. Where values overlap or contain each other, every byte that belongs to any of them is
// masked, so the longest value counts first and no end of another is left standing. A Writer holds back
// only the tail that could begin a value, which is never longer than the longest value and maxSpace.
package masking
