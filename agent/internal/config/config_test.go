package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func env(pairs ...string) func(string) (string, bool) {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(k string) (string, bool) { v, ok := m[k]; return v, ok }
}

func TestAFlagGoesBeforeTheEnvironmentBeforeTheFileBeforeTheDefault(t *testing.T) {
	got, err := Load(Sources{
		File:  []byte("listen: 10.0.0.1:1\naddress: web-1:1\nlogLevel: warn\npage: false\n"),
		Env:   env("TENTACLE_LISTEN", "10.0.0.2:2", "TENTACLE_LOG_LEVEL", "error"),
		Flags: map[string]string{"listen": "[::1]:3"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Config{Listen: "[::1]:3", Address: "web-1:1", Page: false, LogLevel: "error", LogFormat: "text"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestEveryKeyIsAFlagAndAVariableAndIsWrittenToTheFile(t *testing.T) {
	user := ""
	if separateUsers {
		user = "app"
	}
	values := map[string]string{"listen": "127.0.0.1:7", "address": "h:7", "page": "false", "scriptUser": user, "logLevel": "debug", "logFormat": "json"}
	want := Config{Listen: "127.0.0.1:7", Address: "h:7", ScriptUser: user, LogLevel: "debug", LogFormat: "json"}
	flags, vars := map[string]string{}, []string{}
	for _, k := range Keys() {
		flags[k.Flag] = values[k.Name]
		vars = append(vars, k.Env, values[k.Name])
	}
	byFlags, err := Load(Sources{Flags: flags})
	if err != nil {
		t.Fatal(err)
	}
	byEnv, err := Load(Sources{Env: env(vars...)})
	if err != nil {
		t.Fatal(err)
	}
	byFile, err := Load(Sources{File: want.Format()})
	if err != nil {
		t.Fatalf("%v in\n%s", err, want.Format())
	}
	for source, got := range map[string]Config{"flags": byFlags, "environment": byEnv, "file": byFile} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("by %s: %s", source, diff)
		}
	}
}

func TestOtherSystemsThanLinuxHaveNoScriptUser(t *testing.T) {
	_, err := Load(Sources{File: []byte("scriptUser: app\n")})
	if separateUsers {
		if err != nil {
			t.Error(err)
		}
		return
	}
	if err == nil || !strings.Contains(err.Error(), "key scriptUser") || !strings.Contains(err.Error(), "run the daemon itself as") {
		t.Errorf("the error is %v", err)
	}
}

func TestAWrongSettingIsNamedWithItsSourceAndARemedy(t *testing.T) {
	for name, c := range map[string]struct {
		from Sources
		want []string
	}{
		"unknown key": {Sources{File: []byte("# first\nlistn: :1\n")},
			[]string{"configuration file: line 2: listn: is no known key; remove it, or correct it to one of: listen, address, page, scriptUser, logLevel, logFormat"}},
		"several": {Sources{File: []byte("listen: x\npage: [true]\npage: false\nlogLevel: loud\n")}, []string{
			"line 1: key listen: ", "line 2: key page: is no plain text", "line 3: key page: comes twice", "line 4: key logLevel: "}},
		"no mapping":      {Sources{File: []byte("listen\n")}, []string{"configuration file: line 1: it is no mapping", "key: value"}},
		"no yaml":         {Sources{File: []byte("listen: [\n")}, []string{"configuration file: line 1: did not find"}},
		"two documents":   {Sources{File: []byte("page: true\n---\npage: false\n")}, []string{"more than one document"}},
		"no port":         {Sources{File: []byte("listen: 127.0.0.1\n")}, []string{"key listen", "write 127.0.0.1:10933"}},
		"port too large":  {Sources{Flags: map[string]string{"listen": ":65536"}}, []string{"flag --listen", "1 to 65535"}},
		"bare IPv6":       {Sources{Flags: map[string]string{"listen": "::1:1"}}, []string{"in brackets"}},
		"name to listen":  {Sources{Env: env("TENTACLE_LISTEN", "example:1")}, []string{"TENTACLE_LISTEN", "no IP address"}},
		"address no host": {Sources{Env: env("TENTACLE_ADDRESS", ":1")}, []string{"TENTACLE_ADDRESS", "host:port"}},
		"level":           {Sources{File: []byte("logLevel: loud\n")}, []string{"key logLevel", "debug, info, warn or error"}},
		"format":          {Sources{Flags: map[string]string{"log-format": "xml"}}, []string{"flag --log-format", "text or json"}},
		"page":            {Sources{Env: env("TENTACLE_PAGE", "perhaps")}, []string{`TENTACLE_PAGE: "perhaps" is neither true nor false`}},
		"page in a file":  {Sources{File: []byte("page: 7\n")}, []string{`line 1: key page: "7" is neither true nor false`}},
		"page, empty":     {Sources{File: []byte("page:\n")}, []string{`line 1: key page: "" is neither true nor false`}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(c.from)
			if err == nil {
				t.Fatal("it was taken")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}

func TestAnEmptyFileMeansTheDefaults(t *testing.T) {
	for _, file := range []string{"", "# nothing\n", "{}\n", "address:\n", "---\n"} {
		got, err := Load(Sources{File: []byte(file)})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(got.Dialled(), ":10933") {
			t.Errorf("dialled %q", got.Dialled())
		}
		if diff := cmp.Diff(Default(), got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestTheAddressFollowsWhatIsListenedOn(t *testing.T) {
	for listen, want := range map[string]string{"10.1.2.3:7": "10.1.2.3:7", "[fd00::1]:7": "[fd00::1]:7"} {
		got, err := Load(Sources{Flags: map[string]string{"listen": listen}})
		if err != nil || got.Dialled() != want {
			t.Errorf("%s: %q, %v", listen, got.Dialled(), err)
		}
	}
	for _, listen := range []string{":7", "0.0.0.0:7", "[::]:7"} {
		got, err := Load(Sources{Flags: map[string]string{"listen": listen}})
		if err != nil || !strings.HasSuffix(got.Dialled(), ":7") || got.Dialled() == listen {
			t.Errorf("%s: %q, %v", listen, got.Dialled(), err)
		}
	}
}

func TestYAMLsWordsForTrueAndFalseAreTaken(t *testing.T) {
	for word, want := range map[string]bool{"yes": true, "on": true, "True": true, "no": false, "off": false, "Off": false} {
		if c, err := Load(Sources{File: []byte("page: " + word + "\n")}); err != nil || c.Page != want {
			t.Errorf("page: %s gives %v, %v", word, c.Page, err)
		}
	}
}
