package audit

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

// tampered changes one line of a log in a way that leaves it well-formed.
func tampered(t *testing.T, line, from, to string) string {
	t.Helper()
	changed := strings.Replace(line, from, to, 1)
	if changed == line {
		t.Fatalf("%q is not in %s", from, line)
	}
	return changed
}

func TestVerifyFindsWhatWasDoneToTheLog(t *testing.T) {
	const count = 9
	tests := map[string]struct {
		change func(t *testing.T, l []string) []string
		line   int64 // where it must be found; 0 for any
		text   string
	}{
		"a decision": {func(t *testing.T, l []string) []string { l[3] = tampered(t, l[3], "allowed", "refused"); return l }, 4, "was edited"},
		"a time":     {func(t *testing.T, l []string) []string { l[3] = tampered(t, l[3], `"time":"2`, `"time":"1`); return l }, 4, "was edited"},
		"a hash": {func(t *testing.T, l []string) []string {
			l[3] = l[3][:len(l[3])-13] + "0123456789" + l[3][len(l[3])-3:]
			return l
		}, 4, "was edited"},
		"a space":   {func(t *testing.T, l []string) []string { l[3] = " " + l[3]; return l }, 4, "was edited"},
		"a number":  {func(t *testing.T, l []string) []string { l[3] = tampered(t, l[3], `"n":4`, `"n":3`); return l }, 4, "another order"},
		"garbage":   {func(t *testing.T, l []string) []string { l[3] = "nothing\n"; return l }, 4, "no line of the log"},
		"the first": {func(t *testing.T, l []string) []string { l[0] = tampered(t, l[0], "allowed", "refused"); return l }, 1, "was edited"},
		"the last": {func(t *testing.T, l []string) []string {
			l[count-1] = tampered(t, l[count-1], "allowed", "refused")
			return l
		}, count, "was edited"},
		"the last but one": {func(t *testing.T, l []string) []string {
			l[count-2] = tampered(t, l[count-2], "allowed", "refused")
			return l
		}, count - 1, "was edited"},
		"one removed":   {func(_ *testing.T, l []string) []string { return append(l[:3], l[4:]...) }, 4, "numbered 4 to 4"},
		"three removed": {func(_ *testing.T, l []string) []string { return append(l[:3], l[6:]...) }, 4, "numbered 4 to 6"},
		"the beginning": {func(_ *testing.T, l []string) []string { return l[2:] }, 0, "before number 3 are missing"},
		"put elsewhere": {func(_ *testing.T, l []string) []string { l[3], l[4] = l[4], l[3]; return l }, 5, "another order"},
		"put in twice":  {func(_ *testing.T, l []string) []string { l[4] = l[3] + l[4]; return l }, 5, "another order"},
		"put in":        {func(_ *testing.T, l []string) []string { l[4] = "{}\n" + l[4]; return l }, 5, "no line of the log"},
		"the tail":      {func(_ *testing.T, l []string) []string { return l[:6] }, 6, "the tail was cut"},
		"all":           {func(*testing.T, []string) []string { return nil }, 0, "the tail was cut"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.write(count)
			r.put(currentFile, strings.Join(test.change(t, r.lines()), ""))
			for _, f := range r.verify(nil).Findings {
				if f.File == currentFile && (test.line == 0 || f.Line == test.line) && strings.Contains(f.Text, test.text) {
					return
				}
			}
			t.Errorf("not found: %+v", r.verify(nil).Findings)
		})
	}
}

// Whoever can write the folder can make the head fit, and a chain too. A head that was kept elsewhere finds both.
func TestAHeadFromElsewhereFindsALogThatFitsItself(t *testing.T) {
	r := newRig(t)
	head := r.write(5)
	whole := r.lines()
	cut := newRig(t)
	cut.write(0)
	cut.put(currentFile, strings.Join(whole[:3], ""))
	e, err := Decode([]byte(strings.TrimSuffix(whole[2], "\n")))
	if err != nil {
		t.Fatal(err)
	}
	if err := resetHead(cut.dir, e.head([]byte(strings.TrimSuffix(whole[2], "\n")))); err != nil {
		t.Fatal(err)
	}
	cut.sound() // nothing in the folder gives it away
	if got := cut.verify(&head).Findings; len(got) != 1 || !strings.Contains(got[0].Text, "the tail was cut: the head that was given names line 5, and the log ends with line 3") {
		t.Errorf("cut: %+v", got)
	}
	cut.write(4) // grown over the old length
	if got := cut.verify(&head).Findings; len(got) != 1 || !strings.Contains(got[0].Text, "written anew") {
		t.Errorf("cut and grown: %+v", got)
	}
	removed := newRig(t)
	if got := removed.verify(&head).Findings; len(got) != 1 || !strings.Contains(got[0].Text, "the tail was cut") {
		t.Errorf("the whole folder removed: %+v", got)
	}
}

func TestVerifyFindsAHeadThatWasRemoved(t *testing.T) {
	r := newRig(t)
	r.write(3)
	if err := os.Remove(r.path(headFile)); err != nil {
		t.Fatal(err)
	}
	if got := r.verify(nil).Findings; len(got) != 1 || got[0].File != headFile {
		t.Errorf("%+v", got)
	}
	r.write(1)
	if got := r.verify(nil).Findings; len(got) != 1 || !strings.Contains(got[0].Text, "the head beside the log was missing") {
		t.Errorf("after the next start: %+v", got)
	}
}

func TestVerifyFindsChangesInOldFiles(t *testing.T) {
	for name, change := range map[string]func(r *rig, old []string){
		"edited":  func(r *rig, old []string) { r.put(old[1], strings.Replace(r.read(old[1]), "allowed", "refused", 1)) },
		"removed": func(r *rig, old []string) { _ = os.Remove(r.path(old[1])) },
		"cut":     func(r *rig, old []string) { r.put(old[1], r.read(old[1])[:200]) },
		"swapped": func(r *rig, old []string) {
			a, b := r.read(old[1]), r.read(old[2])
			r.put(old[1], b)
			r.put(old[2], a)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			l := r.open(2<<10, 100)
			for i := range 50 {
				r.append(l, fmt.Sprintf("ticket-%d", i))
			}
			r.close(l)
			r.sound()
			names, err := list(r.dir)
			if err != nil {
				t.Fatal(err)
			}
			change(r, names)
			got := r.verify(nil).Findings
			if len(got) == 0 || got[0].File != names[1] && got[0].File != names[2] {
				t.Errorf("%+v", got)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	line, err := encode(Entry{Number: 7, What: Upload, Decision: Allowed, Path: `a\b`, Size: new(int64), Prev: strings.Repeat("a", 64)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line)
	f.Add([]byte(`{"n":1,"what":"start","prev":"`))
	f.Add([]byte("\x00\x00"))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := Decode(line)
		if err != nil {
			return
		}
		again, err := encode(e)
		if err != nil {
			return // longer than a line may be
		}
		back, err := Decode(again)
		if err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		a, _ := json.Marshal(e)
		b, _ := json.Marshal(back)
		if len(a) < maxText && string(a) != string(b) {
			t.Fatalf("%s became %s", a, b)
		}
	})
}

// FuzzVerify gives whole logs: nothing in one may stop a verification, or a writer.
func FuzzVerify(f *testing.F) {
	f.Add([]byte("{}\n\n{\"n\":1,\"what\":\"torn\",\"count\":4,\"prev\":\"\"}\n"))
	f.Add([]byte(strings.Repeat("x", 2*maxLine)))
	f.Fuzz(func(t *testing.T, log []byte) {
		r := newRig(t)
		r.write(1)
		r.put(currentFile, r.lines()[0]+string(log))
		r.verify(nil)
		before := r.verify(nil)
		r.write(1)
		after := r.verify(nil)
		if len(before.Findings) == 0 && len(after.Findings) > 0 {
			t.Fatalf("a writer broke what held: %+v", after.Findings)
		}
	})
}
