package scripts

import (
	"fmt"
	"regexp"
	"strings"
)

// maxNamed is how many tasks a waiting script names.
const maxNamed = 5

// octopusTask is what an Octopus Server calls a task; it makes links of such names.
var octopusTask = regexp.MustCompile(`^ServerTasks-[0-9]{1,18}$`)

// waitsFor is the sentence that tells what a script waits for: the tasks of its own operator, and whether there are others.
func (s *Store) waitsFor(t *ticket) string {
	sentence := fmt.Sprintf("Waiting for other scripts on this machine: the mutex %q is in use", t.record.Mutex)
	var tasks []string
	unnamed := 0
	for _, h := range s.mutexes.heldBy(t.record.Mutex) {
		name := ""
		if h.operator == t.record.Operator {
			name = taskName(h.task)
		}
		if name == "" || len(tasks) == maxNamed {
			unnamed++
		} else {
			tasks = append(tasks, name)
		}
	}
	switch {
	case len(tasks) == 0:
		return sentence + "."
	case unnamed > 0:
		tasks = append(tasks, fmt.Sprintf("%d more", unnamed))
	}
	return sentence + " by the script of " + strings.Join(tasks, ", ") + "."
}

// taskName is a task in words: a link where it is an Octopus Server's, else its name where that is one of few plain characters.
func taskName(task string) string {
	plain := func(r rune) bool { return r > ' ' && r <= '~' && !strings.ContainsRune("[]()<>`", r) }
	switch {
	case octopusTask.MatchString(task):
		return fmt.Sprintf("task [%s](~/app#/tasks/%s)", task, task)
	case task == "" || strings.ContainsFunc(task, func(r rune) bool { return !plain(r) }):
		return ""
	}
	return "task " + task
}
