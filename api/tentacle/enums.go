package tentacle

import (
	"fmt"
	"strings"
)

// ProcessState is the life of a script as a Tentacle reports it (halibut.md section 6.2).
type ProcessState int32

// The states of a script.
const (
	// Pending means that the script waits: for its preparation, or for the isolation mutex.
	Pending ProcessState = 0
	// Running means that the script has begun, or that it has ended and more output can be read.
	Running ProcessState = 1
	// Complete means that the script has ended and that the response reaches the end of its output.
	Complete ProcessState = 2
)

// UnmarshalText reads the value's name in .NET, in any case, as some peers may write it.
func (s *ProcessState) UnmarshalText(name []byte) (err error) {
	*s, err = named[ProcessState](string(name), "Pending", "Running", "Complete")
	return err
}

// ProcessOutputSource says which stream of the script a line came from.
type ProcessOutputSource int32

// The sources of output.
const (
	StdOut ProcessOutputSource = 0
	StdErr ProcessOutputSource = 1
	// Debug lines tell of the launcher, never of the script.
	Debug ProcessOutputSource = 2
)

// UnmarshalText reads the value's name in .NET, in any case, as some peers may write it.
func (s *ProcessOutputSource) UnmarshalText(name []byte) (err error) {
	*s, err = named[ProcessOutputSource](string(name), "StdOut", "StdErr", "Debug")
	return err
}

// ScriptIsolationLevel is how a script shares its mutex with others. A start with any other level than the
// two is refused with ExitFatal.
type ScriptIsolationLevel int32

// The levels of isolation: a reader and a writer of a named lock.
const (
	NoIsolation   ScriptIsolationLevel = 0
	FullIsolation ScriptIsolationLevel = 1
)

// UnmarshalText reads the value's name in .NET, in any case, as some peers may write it.
func (l *ScriptIsolationLevel) UnmarshalText(name []byte) (err error) {
	*l, err = named[ScriptIsolationLevel](string(name), "NoIsolation", "FullIsolation")
	return err
}

// Check fails for a level that is none, with what to send.
func (l ScriptIsolationLevel) Check() error {
	if l != NoIsolation && l != FullIsolation {
		return fmt.Errorf("there is no isolation level %d: send 0 (NoIsolation) or 1 (FullIsolation)", l)
	}
	return nil
}

// named is the number of an enumeration's name among all of them.
func named[E ~int32](name string, all ...string) (E, error) {
	for i, known := range all {
		if strings.EqualFold(strings.TrimSpace(name), known) {
			return E(i), nil
		}
	}
	return 0, fmt.Errorf("%.60q is none of %s", name, strings.Join(all, ", "))
}

// shell is a key of Scripts: the name of a ScriptType, or its number, as .NET reads the keys of a dictionary.
type shell string

// UnmarshalText reads a key; any other is an error, as it is to the reference.
func (s *shell) UnmarshalText(key []byte) error {
	for i, known := range [...]string{PowerShellScript, BashScript} {
		if text := strings.TrimSpace(string(key)); strings.EqualFold(text, known) || text == fmt.Sprint(i) {
			*s = shell(known)
			return nil
		}
	}
	return fmt.Errorf("%.60q is no kind of script: %s and %s are", key, PowerShellScript, BashScript)
}

// bodies are Scripts as the contracts have them.
func bodies(scripts map[shell]string) map[string]string {
	all := make(map[string]string, len(scripts))
	for s, body := range scripts {
		all[string(s)] = body
	}
	return all
}
