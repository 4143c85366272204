package process

import (
	"os"
	"strconv"
	"strings"
	"sync"
)

// Protected is the score (oom_score_adj) of a daemon and its supervisors for a system without memory: it ends what uses the
// memory, which is a script, before what keeps scripts apart and knows how they end. They can be ended still, if nothing else
// is left.
const Protected = -500

const scoreFile = "/proc/self/oom_score_adj"

// Protect gives this process the score Protected. It does nothing if somebody has chosen another score than the system's, or
// if it may not: then the service manager has to give the score.
func Protect() {
	if score, known := oomScore(); known && score == 0 {
		_ = setOOMScore(Protected)
	}
}

var (
	scoring     sync.Mutex // the score is that of the whole process
	scriptScore = 0        // of scripts; tests, which may not lower one, raise this one
)

// withoutProtection calls f, which starts a process, so that the process does not inherit a protection that this one has.
func withoutProtection(f func() error) error {
	scoring.Lock()
	defer scoring.Unlock()
	score, known := oomScore()
	if !known || score >= scriptScore {
		return f()
	}
	if err := setOOMScore(scriptScore); err != nil { // it may always be raised, unless /proc cannot be written
		return f()
	}
	defer func() { _ = setOOMScore(score) }() // which is allowed down to what root has set
	return f()
}

func oomScore() (score int, known bool) {
	data, err := os.ReadFile(scoreFile)
	if err != nil {
		return 0, false
	}
	score, err = strconv.Atoi(strings.TrimSpace(string(data)))
	return score, err == nil
}

func setOOMScore(score int) error {
	return os.WriteFile(scoreFile, []byte(strconv.Itoa(score)), 0)
}
