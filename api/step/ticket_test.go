package step

import "testing"

// These are derived by every operator and must never change: a change would start again what runs.
func TestTicketGoldenVectors(t *testing.T) {
	const run, target = "6f1d2c3a-0b4e-4d5f-8a9b-1c2d3e4f5a6b", "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
	for _, v := range []struct {
		run, step, target string
		attempt           int
		want              string
	}{
		{run, "web/install", target, 1, "mzqaujowg6brtujhroxmklawn5imafpp3"},
		{run, "migrate", target, 12, "mtimpaxhsj7bogg72ltu3dsm2qekpjvrx"},
		{"r", "s", "t", 0, "mbjtu5lu4xz25gs24h56j33rxjslmjzvf"},
	} {
		if got := Ticket(v.run, v.step, v.target, v.attempt); got != v.want {
			t.Errorf("Ticket(%q, %q, %q, %d) = %s, want %s", v.run, v.step, v.target, v.attempt, got, v.want)
		}
	}
	if got, want := Nonce("mticket"), "db108519855e04b9e72034c9"; got != want {
		t.Errorf("Nonce = %s, want %s", got, want)
	}
}

func TestCheckSegment(t *testing.T) {
	for _, good := range []string{"web", "1.4.2", "1.0.0-rc.1", "shop web", "grüße", "console", "com", "com10", "_1"} {
		if err := CheckSegment(good); err != nil {
			t.Errorf("%q is refused: %v", good, err)
		}
	}
	long := make([]byte, 300)
	for i := range long {
		long[i] = 'a'
	}
	for _, bad := range []string{
		"", ".", "..", ".key", "a.", "a ", " a", "a/b", `a\b`, "C:", "a:b", "a*", "a\x00b", "a\nb", "\xff",
		"con", "NUL.txt", "Com1", "lpt9.tar.gz", "COM¹", "AUX ", "conin$", string(long),
	} {
		if CheckSegment(bad) == nil {
			t.Errorf("%q is taken as a part of a path", bad)
		}
	}
}
