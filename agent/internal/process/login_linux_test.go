package process

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLogin(t *testing.T) {
	out, err := exec.Command("bash", "-c", "getent passwd $(id -u)").Output()
	if err != nil {
		t.Skip("this account has no entry")
	}
	of := strings.Split(strings.TrimSpace(string(out)), ":")
	want := []string{"HOME=" + of[5], "USER=" + of[0], "LOGNAME=" + of[0], "SHELL=" + of[6]}
	for _, c := range []struct{ env, want []string }{
		{nil, append(slices.Clone(want), "PATH="+defaultPath)},
		{[]string{"PATH=/bin", "HOME=", "LANG=C"}, want},
		{[]string{"HOME=/srv", "PATH=/bin"}, want[1:]},
		{[]string{"HOME=/srv", "USER=u", "LOGNAME=u", "SHELL=/bin/zsh"}, []string{"PATH=" + defaultPath}},
		{[]string{"HOME=/srv", "USER=u", "LOGNAME=u", "SHELL=/bin/zsh", "PATH=/bin"}, nil},
	} {
		if diff := cmp.Diff(c.want, Login(c.env)); diff != "" {
			t.Errorf("%q: %s", c.env, diff)
		}
	}
}

func TestLoginOfAnUnknownAccount(t *testing.T) {
	if diff := cmp.Diff(map[string]string{"HOME": "/", "USER": "", "LOGNAME": "", "SHELL": "/bin/sh"}, login("", "", "")); diff != "" {
		t.Error(diff)
	}
}
