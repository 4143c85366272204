package step

import (
	"slices"
	"testing"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

func TestWhatCommandMakesIsAnEngineCallAndNothingElseIs(t *testing.T) {
	command := func(change func(*tentacle.StartScriptCommandV2)) tentacle.StartScriptCommandV2 {
		c, err := Command(runPlan(), []string{"secret"})
		if err != nil {
			t.Fatal(err)
		}
		c.Files = slices.Clone(c.Files)
		change(&c)
		return c
	}
	for _, system := range []string{"linux", "darwin", "windows"} {
		plan, secrets, ok := IsCall(command(func(*tentacle.StartScriptCommandV2) {}), system)
		if !ok || plan == nil || secrets == nil {
			t.Errorf("%s: what Command makes is not taken for a call", system)
		}
		_, secrets, ok = IsCall(command(func(c *tentacle.StartScriptCommandV2) { c.Files = c.Files[:1] }), system)
		if !ok || secrets != nil {
			t.Errorf("%s: without secrets it is not taken for a call", system)
		}
	}
	password := "p"
	for name, change := range map[string]func(*tentacle.StartScriptCommandV2){
		"another body": func(c *tentacle.StartScriptCommandV2) {
			c.Scripts, c.ScriptBody = map[string]string{"Bash": CommandBash + "\n"}, CommandPowerShell+" "
		},
		"the other shell's body": func(c *tentacle.StartScriptCommandV2) {
			c.Scripts, c.ScriptBody = map[string]string{"Bash": CommandPowerShell}, CommandBash
		},
		"arguments":            func(c *tentacle.StartScriptCommandV2) { c.Arguments = []string{"x"} },
		"no plan":              func(c *tentacle.StartScriptCommandV2) { c.Files = c.Files[1:] },
		"no content":           func(c *tentacle.StartScriptCommandV2) { c.Files[0].Contents = nil },
		"a password":           func(c *tentacle.StartScriptCommandV2) { c.Files[0].EncryptionPassword = &password },
		"two plans":            func(c *tentacle.StartScriptCommandV2) { c.Files[1] = c.Files[0] },
		"a file of its own":    func(c *tentacle.StartScriptCommandV2) { c.Files[1].Name = "mantle-script.sh" },
		"a plan spelled oddly": func(c *tentacle.StartScriptCommandV2) { c.Files[0].Name = "./plan.json" },
		"one more file": func(c *tentacle.StartScriptCommandV2) {
			c.Files = append(c.Files, tentacle.ScriptFile{Name: "x", Contents: halibut.NewDataStreamBytes(nil)})
		},
	} {
		for _, system := range []string{"linux", "windows"} {
			if _, _, ok := IsCall(command(change), system); ok {
				t.Errorf("%s: %s is taken for a call of the engine", system, name)
			}
		}
	}
}

func TestContentPaths(t *testing.T) {
	for _, format := range []string{FormatTar, FormatTarGz, FormatZip} {
		if !IsContentPath(ContentPath(sum, format)) {
			t.Errorf("%s is not known", ContentPath(sum, format))
		}
	}
	for _, bad := range []string{
		"", "Files/mantle/", "/" + ContentPath(sum, "tar"), "files/mantle/" + sum + "/content.tar", ContentPath(sum, "exe"),
		ContentPath("..", "tar"), ContentPath(sum+"/..", "tar"), ContentPath(sum, "tar/x"), "Files/mantle/" + sum + "/engine",
		`Files\mantle\` + sum + `\content.tar`, ContentPath(sum[1:], "tar"), ContentPath(sum, "tar ") + " ",
	} {
		if IsContentPath(bad) {
			t.Errorf("%q is taken for a content's path", bad)
		}
	}
}
