//go:build unix

package process

import (
	"os"
	"os/user"
	"strconv"
	"strings"
)

// What is used where nobody says anything else.
const (
	defaultPath  = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	defaultShell = "/bin/sh"
	noHome       = "/"
)

// Login returns what env lacks of HOME, USER, LOGNAME, SHELL and PATH, as they are for the account that this process runs as.
// An account that the system does not know, as containers have it, has the home / and no name.
func Login(env []string) []string {
	set := map[string]bool{}
	for _, e := range env {
		if name, value, _ := strings.Cut(e, "="); value != "" {
			set[name] = true
		}
	}
	var missing []string
	for _, name := range []string{"HOME", "USER", "LOGNAME", "SHELL"} {
		if !set[name] {
			missing = append(missing, name)
		}
	}
	var all []string
	if len(missing) > 0 {
		of := ownLogin()
		for _, name := range missing {
			if of[name] != "" {
				all = append(all, name+"="+of[name])
			}
		}
	}
	if !set["PATH"] {
		all = append(all, "PATH="+defaultPath)
	}
	return all
}

// ownLogin asks for the account of this process by its number.
func ownLogin() map[string]string {
	uid := strconv.Itoa(os.Geteuid())
	line, err := query("getent", "passwd", uid)
	if err != nil {
		line = passwdLine("/etc/passwd", uid)
	}
	name, _, _ := strings.Cut(line, ":")
	if a, err := parsePasswd(name, line); err == nil {
		return login(a.Name, a.Home, a.Shell)
	}
	if u, err := user.LookupId(uid); err == nil {
		return login(u.Username, u.HomeDir, "")
	}
	return login("", "", "")
}

// passwdLine is the line of an account in the system's file of them, or empty.
func passwdLine(path, uid string) string {
	data, err := os.ReadFile(path) // #nosec G304 -- the system's
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(data)) {
		if fields := strings.Split(line, ":"); len(fields) > 2 && fields[2] == uid {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

func login(name, home, shell string) map[string]string {
	if home == "" {
		home = noHome
	}
	if shell == "" {
		shell = defaultShell
	}
	return map[string]string{"HOME": home, "USER": name, "LOGNAME": name, "SHELL": shell}
}
