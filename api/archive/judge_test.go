package archive

import (
	"archive/tar"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func file(name string) Entry          { return Entry{Kind: File, Name: name} }
func folder(name string) Entry        { return Entry{Kind: Folder, Name: name} }
func symlink(name, link string) Entry { return Entry{Kind: Symlink, Name: name, Link: link} }
func hard(name, link string) Entry    { return Entry{Kind: Hardlink, Name: name, Link: link} }

func judge(j *Judge, entries ...Entry) (last Made, err error) {
	for _, e := range entries {
		if last, err = j.Entry(e); err != nil {
			return last, err
		}
	}
	return last, nil
}

func TestWhatIsTaken(t *testing.T) {
	for name, c := range map[string]struct {
		entries []Entry
		want    string
	}{
		"a file with the folders above it":   {[]Entry{file("./a/b/c")}, "a/b/c [a a/b] false"},
		"folders are made once":              {[]Entry{file("a/b"), file("a/c")}, "a/c [] false"},
		"a folder may be listed again":       {[]Entry{file("a/b"), folder("a/")}, "a [] true"},
		"the root":                           {[]Entry{folder("./")}, ". [] true"},
		"a link within":                      {[]Entry{symlink("a/l", "../b/c")}, "a/l [a] false"},
		"a hard link":                        {[]Entry{file("a"), hard("b", "./a")}, "b [] false"},
		"a hard link to a hard link":         {[]Entry{file("a"), hard("b", "a"), hard("c", "b")}, "c [] false"},
		"a hard link of a file to itself":    {[]Entry{file("a"), hard("a", "a")}, "a [] true"},
		"a note":                             {[]Entry{{Kind: Note}}, " [] true"},
		"a file again":                       {[]Entry{file("a/b"), file("./a/b")}, "a/b [] false replaces"},
		"a file for a link":                  {[]Entry{symlink("l", "x"), file("l")}, "l [] false replaces"},
		"a folder for a link":                {[]Entry{symlink("l", "x"), folder("l/")}, "l [] false replaces"},
		"a hard link for a file":             {[]Entry{file("a"), file("b"), hard("b", "a")}, "b [] false replaces"},
		"names that differ in case only":     {[]Entry{file("a"), file("A")}, "A [] false"},
		"a name of the kind of the marker's": {[]Entry{file("a/" + Marker)}, "a/" + Marker + " [a] false"},
	} {
		made, err := judge(NewJudge(Limits{}, System{}), c.entries...)
		got := fmt.Sprint(made.Name, made.Folders, made.Nothing)
		if made.Replaces {
			got += " replaces"
		}
		if err != nil || strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(c.want, " ", "") {
			t.Errorf("%s: %s, %v; want %s", name, got, err, c.want)
		}
	}
}

func TestWhatIsRefused(t *testing.T) {
	for says, entries := range map[string][]Entry{
		`"../evil" has a part`:                             {file("../evil")},
		`"a/.." has a part`:                                {file("a/..")},
		`"/etc/passwd" is not a path`:                      {file("/etc/passwd")},
		`"a\x00b" is not a path`:                           {file("a\x00b")},
		`a name of 0 bytes`:                                {file("")},
		`a name of 1025 bytes`:                             {file(strings.Repeat("a/", 512) + "b")},
		`folders deep`:                                     {file(strings.Repeat("a/", MaxDepth) + "b")},
		`has a part that`:                                  {file(strings.Repeat("a", MaxName+1))},
		`marks an installed package`:                       {file("./" + Marker)},
		`"b" is in the archive as a folder too`:            {folder("b"), file("b")},
		`"e" is in the archive as a folder too`:            {file("e/x"), symlink("e", "x")},
		`"a/b" lies below "a", which is no folder`:         {file("a"), file("a/b")},
		`"l/b" lies below "l", which is no folder`:         {symlink("l", "d"), file("l/b")},
		`the link "l" leads out`:                           {symlink("l", "../x")},
		`the link "m" leads out`:                           {symlink("m", "/etc")},
		`the link "n" leads out`:                           {symlink("n", "d/..")},
		`"h" is to "a", which is no file before it`:        {hard("h", "a"), file("a")},
		`"k" is to "l", which is no file`:                  {symlink("l", "x"), hard("k", "l")},
		`is neither a file, a folder nor a link (type '6'`: {Tar(&tar.Header{Name: "f", Typeflag: tar.TypeFifo})},
		`"big" unpacks to more than the 100 bytes`:         {{Kind: File, Name: "small", Size: 60}, {Kind: File, Name: "big", Size: 41}},
		`"less" unpacks to more`:                           {{Kind: File, Name: "less", Size: -1}},
	} {
		_, err := judge(NewJudge(Limits{Bytes: 100}, System{}), entries...)
		var refused *RefusedError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want one that says %s", err, says)
		}
	}
}

func TestWhatASystemTakesForSomethingElse(t *testing.T) {
	system := System{FoldCase: true, Refuses: func(part string) bool { return part == "nul" }, LinkCharacters: `\:`}
	for says, entries := range map[string][]Entry{
		`"A" is in the archive twice`: {file("a"), file("A")},
		`"B" is in the archive twice`: {file("a"), file("b"), hard("B", "a")},
		`"a/nul" has a part`:          {file("a/nul")},
		`"l" leads out`:               {symlink("l", `..\x`)},
	} {
		if _, err := judge(NewJudge(Limits{}, system), entries...); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want one that says %s", err, says)
		}
	}
}

// Folders that are not listed cost as much as those that are.
func TestHowMuchAnArchiveMakesIsBounded(t *testing.T) {
	j := NewJudge(Limits{Entries: 50}, System{})
	var err error
	for i := 0; err == nil && i < 50; i++ {
		_, err = j.Entry(file(fmt.Sprintf("%d/%sx", i, strings.Repeat("a/", 40))))
	}
	if err == nil || len(j.made) > 2*50+1 {
		t.Errorf("%d were made, %v", len(j.made), err)
	}
	if _, err := judge(NewJudge(Limits{Entries: 2}, System{}), folder("a"), folder("a"), folder("a")); err == nil {
		t.Error("a third entry was taken")
	}
}

func TestGauge(t *testing.T) {
	g := NewGauge(Limits{Bytes: 1000, Ratio: 10, RatioFrom: 100})
	g.In(20)
	if err := errors.Join(g.Out(90), g.Out(110)); err != nil {
		t.Errorf("ten times as much: %v", err)
	}
	if err := g.Out(20); err == nil {
		t.Error("more than ten times as much was taken")
	}
	g.In(1000)
	if err := g.Out(800); err == nil {
		t.Error("more than the most was taken")
	}
}
