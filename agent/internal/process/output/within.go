package output

// Within are limits that keep about limit bytes in all, and never more: most of it from the beginning, the rest from the
// end. A limit is reached in steps of a segment, so these are small, and so are the lines that are one entry. limit should be 1 MiB
// at least.
func Within(limit int64) Limits {
	segment := min(limit/16, 1<<20)
	line := min(limit/16, MaxText)
	kept := limit - 3*max(segment, line) // the last one of the head, of the tail, and the open one go beyond
	head := kept / 5 * 4
	return Limits{Segment: segment, Head: head, Tail: kept - head, Line: line}
}
