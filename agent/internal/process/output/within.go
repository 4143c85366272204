package output

// Within are limits that keep about limit bytes in all, and never more: most of it from the beginning, the rest from the
// end. A limit is reached in steps of a segment, so these are small. limit should be 1 MiB at least, so that a whole line
// fits at both ends.
func Within(limit int64) Limits {
	segment := min(limit/16, 1<<20)
	kept := limit - 3*segment // the last one of the head, of the tail, and the open one go beyond
	head := kept / 5 * 4
	return Limits{Segment: segment, Head: head, Tail: kept - head}
}
