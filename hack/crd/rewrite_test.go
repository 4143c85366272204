package main

import "testing"

func TestJoinKeepsParagraphsAndLists(t *testing.T) {
	for text, want := range map[string]string{
		"one\nline":                                 "one line",
		"one\nparagraph.\n\n\nand\n another.":       "one paragraph.\n\nand another.",
		"a list:\n- one\n  item\n- another\n\nend.": "a list:\n- one item\n- another\n\nend.",
		"": "",
	} {
		if got := join(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
