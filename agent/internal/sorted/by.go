// Package sorted sorts slices with little code: the functions of package slices are compiled anew for each type of element,
// which would make the program larger by 10 to 14 KB for each.
package sorted

import "sort"

// By sorts all in ascending order as compare says, which returns a negative number if a is before b. Equal elements keep their
// order.
func By[T any](all []T, compare func(a, b T) int) {
	sort.SliceStable(all, func(i, j int) bool { return compare(all[i], all[j]) < 0 })
}
