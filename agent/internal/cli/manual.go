package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// manual is what the help of a command says beside what the command itself holds: what people do next, which
// files it is about, and how it may end. Paths are told below <home>.
type manual struct {
	group string
	next  string
	files []string
	exits []int
}

// terminalWidth is how wide a page is.
const terminalWidth = 100

// The groups in which commands are listed.
const (
	setUp    = "Set up a machine"
	owner    = "Say what operators may do"
	watch    = "See what happens"
	programs = "Called by programs"
)

func groups() []string { return []string{setUp, owner, watch, programs} }

// explain gives root's commands their manuals.
func explain(root *cobra.Command) {
	root.SetHelpFunc(func(c *cobra.Command, _ []string) { printManual(c.OutOrStdout(), c) })
}

// printManual prints the help of a command as a page of a manual.
func printManual(w io.Writer, c *cobra.Command) {
	m := manuals()[c.CommandPath()]
	text := c.Long
	if text == "" {
		text = c.Short
	}
	fmt.Fprintf(w, "%s - %s\n\n%s\n", c.CommandPath(), firstLower(c.Short), strings.TrimRight(text, "\n"))
	fmt.Fprintf(w, "\nUsage:\n  %s\n", usageLine(c))
	section(w, "Examples", strings.TrimRight(c.Example, "\n"))
	printCommands(w, c)
	section(w, "Flags", strings.TrimRight(ownFlags(c).FlagUsagesWrapped(terminalWidth), "\n"))
	section(w, "Next", indent(m.next))
	section(w, "Files", indent(strings.Join(m.files, "\n")))
	section(w, "Exit codes", exitTable(m.exits))
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(w, "\n'%s COMMAND --help' explains a command.\n", c.CommandPath())
	}
}

func usageLine(c *cobra.Command) string {
	own := false
	c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) { own = own || f.Name != "help" })
	if c.HasAvailableSubCommands() && !own {
		return c.CommandPath() + " COMMAND"
	}
	return c.UseLine()
}

// ownFlags are those of the command and --home, where it has that, without --help, which every command has.
func ownFlags(c *cobra.Command) *pflag.FlagSet {
	flags := pflag.NewFlagSet(c.Name(), pflag.ContinueOnError)
	add := func(f *pflag.Flag) {
		if f.Name != "help" {
			flags.AddFlag(f)
		}
	}
	c.LocalFlags().VisitAll(add)
	if manuals()[c.CommandPath()].group != programs { // which take none but their own
		c.InheritedFlags().VisitAll(add)
	}
	return flags
}

func section(w io.Writer, title, text string) {
	if text != "" {
		fmt.Fprintf(w, "\n%s:\n%s\n", title, text)
	}
}

func indent(text string) string {
	if text == "" {
		return ""
	}
	return "  " + strings.ReplaceAll(text, "\n", "\n  ")
}

// firstLower makes the first word of a sentence one within it, unless it is an abbreviation.
func firstLower(s string) string {
	if len(s) > 1 && s[1] >= 'a' && s[1] <= 'z' {
		return strings.ToLower(s[:1]) + s[1:]
	}
	return s
}

// printCommands lists the commands below c, by group where c is the program itself.
func printCommands(w io.Writer, c *cobra.Command) {
	width := 0
	byGroup := map[string][]*cobra.Command{}
	for _, sub := range c.Commands() {
		if !sub.IsAvailableCommand() {
			continue
		}
		width = max(width, len(sub.Name()))
		group := ""
		if !c.HasParent() {
			group = manuals()[sub.CommandPath()].group
		}
		byGroup[group] = append(byGroup[group], sub)
	}
	for _, group := range append(groups(), "") {
		if len(byGroup[group]) == 0 {
			continue
		}
		title := group
		if title == "" {
			title = "Commands"
		}
		fmt.Fprintf(w, "\n%s:\n", title)
		for _, sub := range byGroup[group] {
			fmt.Fprintf(w, "  %-*s  %s\n", width, sub.Name(), sub.Short)
		}
	}
}

func exitTable(codes []int) string {
	var lines []string
	for _, code := range codes {
		lines = append(lines, fmt.Sprintf("  %d  %s", code, meaning(code)))
	}
	return strings.Join(lines, "\n")
}
