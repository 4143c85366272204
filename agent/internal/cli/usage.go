package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// calledAs is how a command is called, without its flags.
func calledAs(c *cobra.Command) string {
	path := c.CommandPath()
	return strings.TrimSuffix(path, c.Name()) + c.Use
}

// whereToRead is where a wrong call of c is explained.
func whereToRead(c *cobra.Command) string {
	switch {
	case !c.HasParent() || c.Name() == helpName:
		return "'tentacle help' lists the commands, 'tentacle COMMAND --help' explains one"
	case c.HasAvailableSubCommands():
		return "'" + c.CommandPath() + " --help' explains it and lists its commands"
	}
	return "'" + c.CommandPath() + " --help' explains it"
}

// exactly demands n arguments, which are named in the command's use.
func exactly(n int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < n:
			return usageError{fmt.Errorf("%s needs an argument; it is called as: %s", c.CommandPath(), calledAs(c))}
		case len(args) > n:
			return usageError{fmt.Errorf("%.100q is too much; it is called as: %s", args[n], calledAs(c))}
		}
		return nil
	}
}

// noCommand refuses words where only a command could stand.
func noCommand(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%s has no command %.100q", c.CommandPath(), args[0])}
	}
	return nil
}

// flagError says in plain words what is wrong with a flag.
func flagError(err error) error {
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		wrong := map[string]string{"bool": "neither true nor false", "int": "no number"}[invalid.GetFlag().Value.Type()]
		if wrong != "" {
			err = fmt.Errorf("flag --%s: %.100q is %s", invalid.GetFlag().Name, invalid.GetValue(), wrong)
		}
	}
	return usageError{err}
}

const helpName = "help"

// helpCommand is `tentacle help`.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:    helpName + " [COMMAND]",
		Hidden: true,
		RunE: func(_ *cobra.Command, args []string) error {
			c, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return usageError{fmt.Errorf("there is no command %.100q", strings.Join(args, " "))}
			}
			c.InitDefaultHelpFlag()
			return c.Help()
		},
	}
}
