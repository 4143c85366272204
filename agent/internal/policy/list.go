package policy

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// Config is what a List needs. Home must be set.
type Config struct {
	Home home.Home
	// User is the name of the user that scripts run as where a step names none.
	User string
	// Apart says that this is another user than the daemon's, so that a script cannot change the policy.
	Apart bool
	// Changed is told what came into force, if it is set: the content of the file, nil where there is none, and why it
	// cannot be used. It is called at the first question too, and must not ask the List.
	Changed func(content []byte, problem error)
	// Applications knows to whom the folders below Applications belong. Nil lets everybody deploy everywhere.
	Applications *Applications
	// Logger gets changes of the policy, and what is wrong with it. Now is the clock; nil is the machine's.
	Logger *slog.Logger
	Now    func() time.Time
}

// List is the policy in force in one home. It is safe for concurrent use.
type List struct {
	config Config

	mu      sync.Mutex
	seen    os.FileInfo
	current bool
	policy  *Policy
	problem error
}

// Open returns the policy of a home. A file that cannot be used is no error here: it forbids everything, and takes
// effect once it is mended.
func Open(c Config) *List {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &List{config: c}
}

// Policy returns the policy in force: nil where there is no file. With an error nobody may do anything.
func (l *List) Policy() (*Policy, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refresh()
	return l.policy, l.problem
}

// Reload makes the next question read the file, whatever it looks like from outside.
func (l *List) Reload() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current = false
}

// Standing is how binding the policy is.
func (l *List) Standing() tentacle.Policy {
	p, err := l.Policy()
	return Standing(p != nil || err != nil, l.config.Apart)
}

// Check tells whether a script may start; the error is a *Refusal. maxOutput is how much of its output is to be kept,
// in bytes; 0 is what the Tentacle keeps by itself.
func (l *List) Check(s Start) (maxOutput int64, err error) {
	rules, err := l.rules(s.Operator, s.SHA1)
	if err != nil {
		return 0, err
	}
	if refused := l.checkUser(s.Call, rules); refused != nil {
		return 0, refused
	}
	if rules != nil {
		if refused := rules.check(s, l.config.User, l.config.Now()); refused != nil {
			return 0, refused
		}
		maxOutput = rules.MaxOutput
	}
	return maxOutput, l.checkApplication(s, rules)
}

// checkApplication asks whether an operator may deploy to a folder below Applications: if the policy names it for the operator,
// or if it belongs to the operator, or to nobody; then it belongs to the operator from now on.
func (l *List) checkApplication(s Start, rules *Rules) error {
	if s.Call == nil || s.Call.Application == "" || s.Call.Problem != "" || l.config.Applications == nil {
		return nil
	}
	folder := s.Call.Application
	if rules != nil && rules.Applications != nil {
		if slices.Contains(rules.Applications, folder) {
			return nil
		}
		return refuse(RuleApplications, "this operator may not deploy to Applications/%s on this machine; allowed: %s", folder, words(rules.Applications))
	}
	if p, err := l.Policy(); err == nil && p.gives(folder) {
		return refuse(RuleApplications, "the policy of this machine gives Applications/%s to other operators only", folder)
	}
	return l.config.Applications.take(s.Operator, folder)
}

// checkUser holds a step that names a user to the one whom the owner gave to scripts, unless the policy lists others: where
// the daemon has the right to become anybody, naming root would otherwise undo that choice.
func (l *List) checkUser(c *Call, rules *Rules) *Refusal {
	if !l.config.Apart || c == nil || c.User == "" || c.User == l.config.User {
		return nil
	}
	if rules != nil && slices.Contains(rules.Users, c.User) {
		return nil
	}
	return refuse(RuleUsers, "scripts run as %q on this machine, and as %q only where its policy lists that under users", l.config.User, c.User)
}

// CheckUpload tells whether an operator may write a file at path, as it was sent; the error is a *Refusal.
func (l *List) CheckUpload(operator, sha1 halibut.Thumbprint, path string) error {
	return l.checkTransfer(operator, sha1, path, true)
}

// CheckDownload tells whether an operator may read the file at path, as it was sent; the error is a *Refusal.
func (l *List) CheckDownload(operator, sha1 halibut.Thumbprint, path string) error {
	return l.checkTransfer(operator, sha1, path, false)
}

func (l *List) checkTransfer(operator, sha1 halibut.Thumbprint, path string, upload bool) error {
	rules, err := l.rules(operator, sha1)
	if rules == nil || err != nil {
		return err
	}
	if refused := rules.checkTransfer(path, upload, l.config.Now()); refused != nil {
		return refused
	}
	return nil
}

// rules are those of an operator; nil, without an error, where everything is allowed.
func (l *List) rules(operator, sha1 halibut.Thumbprint) (*Rules, error) {
	p, err := l.Policy()
	switch {
	case err != nil:
		return nil, refuse(RulePolicy, "the policy of this machine cannot be read, so that nothing is allowed; its owner finds why with 'tentacle doctor'")
	case p == nil:
		return nil, nil //nolint:nilnil // no rules is an answer here, not an error
	}
	if r := p.rules(operator, sha1); r != nil {
		return r, nil
	}
	return nil, refuse(RuleOperators, "the policy of this machine has no entry for this operator, %s", operator)
}

// refresh reads the file where it was replaced since it was last read. Who calls it holds mu.
func (l *List) refresh() {
	path := l.config.Home.Policy()
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		info, err = nil, nil
	}
	if err != nil {
		l.settle(nil, nil, fmt.Errorf("looking at %s: %w", path, err), nil)
		l.current = false
		return
	}
	if l.current && home.Unchanged(l.seen, info) {
		return
	}
	if info == nil {
		l.settle(nil, nil, nil, nil)
		return
	}
	p, content, err := l.load(path)
	l.settle(p, content, err, info)
	l.current = content != nil // what keeps it from being read may change while the file stays as it is
}

// settle takes what was read into force, and says so where it is something else than before.
func (l *List) settle(p *Policy, content []byte, problem error, info os.FileInfo) {
	before := l.problem
	had := l.policy != nil || l.problem != nil
	l.policy, l.problem, l.seen, l.current = p, problem, info, true
	switch {
	case problem != nil && (before == nil || before.Error() != problem.Error()):
		remedy := "tentacle policy check " + l.config.Home.Policy()
		if unusable, ok := errors.AsType[*home.UnusableError](problem); ok {
			remedy = unusable.Remedy()
		}
		l.config.Logger.Error("the policy cannot be used; nobody may run anything until it is mended", "error", problem, "remedy", remedy)
	case problem != nil:
		return // nothing new
	case p != nil:
		l.config.Logger.Info("the policy is in force", "entries", len(p.Operators), "standing", Standing(true, l.config.Apart))
	case had:
		l.config.Logger.Info("the policy is gone: operators that are trusted may do what the user of the scripts can")
	default:
		return // there was none, and is none
	}
	if l.config.Changed != nil {
		l.config.Changed(content, problem)
	}
}

// load reads the file at path, which must be there.
func (l *List) load(path string) (p *Policy, content []byte, err error) {
	if content, err = l.config.Home.ReadState(path, MaxFile); err != nil {
		return nil, nil, err
	}
	if p, err = Parse(content); err != nil {
		return nil, content, fmt.Errorf("reading %s: %w", path, err)
	}
	return p, content, nil
}
