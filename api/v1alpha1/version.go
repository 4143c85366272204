package v1alpha1

import (
	"cmp"
	"slices"
	"strings"
)

// Version is the version of a release: one to four numbers with dots between them, for example 1.4.2, 1.2.3.4, 2026.11 or 7,
// then a pre-release after a hyphen and build metadata after a plus sign, if it has them, for example 1.5.0-rc.1 or
// 1.4.2+build.7. Letters are in lower case, as the version is part of the names of objects.
// +kubebuilder:validation:MaxLength=100
// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]+([.][0-9]+){0,3}(-[0-9a-z]+([.-][0-9a-z]+)*)?([+][0-9a-z]+([.-][0-9a-z]+)*)?$')",message="version must be one to four numbers, then a pre-release and build metadata if it has them, in lower case, for example 1.4.2, 2026.11, 1.5.0-rc.1 or 1.4.2+build.7"
type Version string

// InName is the version as it is written in the names of objects and in labels, which cannot have a plus sign: two hyphens
// stand for it. No version has two hyphens in a row, so different versions are written differently.
func (v Version) InName() string { return strings.ReplaceAll(string(v), "+", "--") }

// Compare orders versions as SemVer 2 does: by their numbers, of which those that are missing are zeros, and a pre-release is
// before its release. It returns -1, 0 or 1. Build metadata does not count, so 1.0, 1.0.0 and 1.0+7 are equal, though they
// are different releases.
func (v Version) Compare(other Version) int {
	numbers, pre := v.split()
	otherNumbers, otherPre := other.split()
	for i := range max(len(numbers), len(otherNumbers)) {
		if d := compareNumbers(at(numbers, i), at(otherNumbers, i)); d != 0 {
			return d
		}
	}
	if pre == "" || otherPre == "" {
		return cmp.Compare(otherPre, pre) // none is the greatest
	}
	return slices.CompareFunc(strings.Split(pre, "."), strings.Split(otherPre, "."), compareIdentifiers)
}

// split returns the numbers and the pre-release.
func (v Version) split() (numbers []string, pre string) {
	text, _, _ := strings.Cut(string(v), "+")
	text, pre, _ = strings.Cut(text, "-")
	return strings.Split(text, "."), pre
}

func at(numbers []string, i int) string {
	if i < len(numbers) {
		return numbers[i]
	}
	return ""
}

// compareNumbers compares decimal numbers of any length; an empty one is zero.
func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

// compareIdentifiers compares parts of a pre-release: numbers by their value and before words, words by their bytes.
func compareIdentifiers(a, b string) int {
	switch numeric, otherNumeric := isNumber(a), isNumber(b); {
	case numeric && otherNumeric:
		return compareNumbers(a, b)
	case numeric:
		return -1
	case otherNumeric:
		return 1
	default:
		return strings.Compare(a, b)
	}
}

func isNumber(s string) bool { return strings.Trim(s, "0123456789") == "" }
