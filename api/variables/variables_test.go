package variables

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func evaluator() *Evaluator {
	return NewEvaluator(map[string]Definition{
		"db.host":      {Text: "10.0.0.5"},
		"db.url":       {Text: "postgres://$(DB.Host)/$(db.name)"},
		"db.name":      {Text: "shop"},
		"db.password":  {Text: "pa$(db.name)ss", Literal: true, Sensitive: true},
		"dsn":          {Text: "$(db.url)?password=$(db.password)"},
		"from.dsn":     {Text: "x$(dsn)"},
		"circle.a":     {Text: "$(circle.b)"},
		"circle.b":     {Text: "1$(Circle.A)"},
		"empty":        {Text: ""},
		"release.name": {Text: "$(db.name)", Literal: true},
	}, func(r Reference) (string, error) {
		if r.Target == "web-1" || r.Step == "build" {
			return "out:" + r.Output, nil
		}
		return "", errors.New("the step has not run on this target")
	})
}

func TestExpand(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want Value
	}{
		"plain text stays":                        {"a $ b $x ${y} 100%", Value{Text: "a $ b $x ${y} 100%"}},
		"a variable":                              {"h=$(db.host)!", Value{Text: "h=10.0.0.5!"}},
		"names ignore case":                       {"$(DB.HOST)", Value{Text: "10.0.0.5"}},
		"variables in variables":                  {"$(db.url)", Value{Text: "postgres://10.0.0.5/shop"}},
		"an empty value is a value":               {"[$(empty)]", Value{Text: "[]"}},
		"a doubled dollar escapes":                {"$$(db.host) $$$(db.host)", Value{Text: "$(db.host) $$(db.host)"}},
		"a secret taints and is not parsed":       {"$(db.password)", Value{Text: "pa$(db.name)ss", Sensitive: true}},
		"taint goes on":                           {"$(from.dsn)", Value{Text: "xpostgres://10.0.0.5/shop?password=pa$(db.name)ss", Sensitive: true}},
		"a literal is not parsed":                 {"$(release.name)", Value{Text: "$(db.name)"}},
		"an output of the same target":            {"$(steps.build.outputs.path)", Value{Text: "out:path"}},
		"an output with a dotted name":            {"$(steps.build.outputs.package.directory)", Value{Text: "out:package.directory"}},
		"an output of another target":             {`$(Steps.web.Outputs["web-1"].path)`, Value{Text: "out:path"}},
		"two references without anything between": {"$(db.name)$(db.name)", Value{Text: "shopshop"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := evaluator().Expand(tc.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestExpandRefuses(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"an unknown name":                {"$(nobody)", "$(nobody) has no value"},
		"an output that is not there":    {"$(steps.web.outputs.x)", "the step has not run on this target"},
		"a circle":                       {"$(circle.a)", "circle.a → circle.b → Circle.A"},
		"a reference that is not closed": {"a $(db.host", "is not closed by ); to write it as text"},
		"a command":                      {"now: $(date +%s)", "$(date +%s) does not name a variable; to write it as text, double the dollar: $$( (at character 6)"},
		"an empty name":                  {"$()", "$() does not name a variable"},
		"half an output":                 {"$(steps.web.path)", "write $(steps.<step>.outputs.<name>)"},
		"an output without its quote":    {`$(steps.web.outputs["web-1].x)`, "write $(steps.<step>.outputs.<name>)"},
		"too long a text":                {strings.Repeat("x", MaxText+1), "at most 65536 are allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := evaluator().Expand(tc.text)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("want an error with %q, have %v", tc.want, err)
			}
		})
	}
}

func TestErrorsHaveTypes(t *testing.T) {
	_, err := evaluator().Variable("circle.b")
	var circle *CycleError
	if !errors.As(err, &circle) {
		t.Errorf("a circle is not a CycleError: %v", err)
	}
	_, err = evaluator().Expand("$(steps.web.outputs.x)")
	var unknown *UnknownError
	if !errors.As(err, &unknown) || unknown.Reference.Output != "x" {
		t.Errorf("a missing output is not an UnknownError that names it: %v", err)
	}
}

func TestGrowthIsBounded(t *testing.T) {
	bomb := map[string]Definition{"v0": {Text: strings.Repeat("x", 1000)}}
	chain := map[string]Definition{"v0": {Text: "x"}}
	for i := 1; i < 40; i++ {
		last := fmt.Sprintf("$(v%d)", i-1)
		bomb[fmt.Sprintf("v%d", i)] = Definition{Text: strings.Repeat(last, 10)}
		chain[fmt.Sprintf("v%d", i)] = Definition{Text: last}
	}
	if _, err := NewEvaluator(bomb, nil).Variable("v6"); !errors.Is(err, ErrTooLarge) {
		t.Errorf("want ErrTooLarge, have %v", err)
	}
	if _, err := NewEvaluator(chain, nil).Variable("v39"); !errors.Is(err, ErrTooDeep) {
		t.Errorf("want ErrTooDeep, have %v", err)
	}
}

// FuzzParse checks that any text is parsed or refused, that its references read back as themselves, and that a text
// without references expands to itself with escapes undone.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "$", "$(", "$()", "$$(", "$$$(a)", "$(a)$(b.c-d)", "$(steps.a.outputs.b)", `$(steps.a.outputs["t"].b)`,
		"$(steps.)", "$(STEPS.A.OUTPUTS.b)", "$(a\x00)", "é$(é)", "$($(a))",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := Parse(text)
		if err != nil {
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || syntax.Offset > len(text) {
				t.Fatalf("an error without a place: %v", err)
			}
			return
		}
		refs := parsed.References()
		for _, ref := range refs {
			again, err := Parse(ref.String())
			if err != nil {
				t.Fatalf("%q reads back as %v", ref, err)
			}
			if diff := cmp.Diff([]Reference{ref}, again.References()); diff != "" {
				t.Fatalf("%q reads back as another reference: %s", ref, diff)
			}
		}
		if len(refs) > 0 {
			return
		}
		v, err := NewEvaluator(nil, nil).Expand(text)
		if err != nil || v.Text != strings.ReplaceAll(text, "$$(", "$(") {
			t.Fatalf("%q expands to %q, %v", text, v.Text, err)
		}
	})
}
