package files

import (
	"cmp"
	"path"
	"slices"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/account"
	"github.com/mantledeploy/mantle/agent/internal/owners"
	"github.com/mantledeploy/mantle/agent/internal/sorted"
	"github.com/mantledeploy/mantle/api/step"
)

const (
	contentsFolder = "Files/mantle"
	// maxContents is how many contents are looked at when room is made.
	maxContents = 20_000
	// inUse is how long a content is kept in any case, as a deployment of it may be waiting.
	inUse = 10 * time.Minute
)

// held is a content that lies in the home.
type held struct {
	name   string
	size   int64
	at     time.Time
	owners []string // marks
}

// MakeRoom removes contents of packages until so many bytes are free that were not, for an upload of an operator's. They are sent
// again if they are needed again. First go those of nobody, then the operator's own, then those of operators that have more of
// them than it, the oldest first. It says false if that is not enough; then nothing is removed.
func (s *Store) MakeRoom(operator string, bytes int64) bool {
	made := false
	_ = account.As(s.account, func() error { // what cannot be listed or removed makes no room
		all := s.contents()
		victims, enough := choose(all, owners.Mark(operator), bytes, time.Now())
		if !enough {
			return nil
		}
		made = true
		for _, v := range victims {
			if err := s.root.RemoveAll(path.Join(contentsFolder, v.name)); err != nil {
				made = false
			}
		}
		return nil
	})
	return made
}

// choose picks what goes. enough says that it makes as much room as is needed.
func choose(all []held, mine string, bytes int64, now time.Time) (victims []held, enough bool) {
	sorted.By(all, func(a, b held) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.name, b.name)) })
	used := map[string]int64{}
	for _, h := range all {
		for _, o := range h.owners {
			used[o] += h.size
		}
	}
	gone := map[string]bool{}
	take := func(may func(h held) bool) {
		for _, h := range all {
			if bytes <= 0 {
				return
			}
			if gone[h.name] || now.Sub(h.at) < inUse || !may(h) {
				continue
			}
			gone[h.name] = true
			victims = append(victims, h)
			bytes -= h.size
			for _, o := range h.owners {
				used[o] -= h.size
			}
		}
	}
	take(func(h held) bool { return len(h.owners) == 0 })
	take(func(h held) bool { return len(h.owners) == 1 && h.owners[0] == mine })
	take(func(h held) bool {
		return !slices.ContainsFunc(h.owners, func(o string) bool { return used[o] <= used[mine] })
	})
	return victims, bytes <= 0
}

// contents lists what lies there.
func (s *Store) contents() []held {
	var all []held
	digests, _ := names(s.root, contentsFolder, maxContents) // what cannot be listed makes no room
	for _, name := range digests {
		if !step.IsSHA256(name) {
			continue
		}
		h := held{name: name}
		beside, _ := names(s.root, path.Join(contentsFolder, name), maxBeside)
		for _, file := range beside {
			info, err := s.root.Lstat(path.Join(contentsFolder, name, file))
			if err != nil || !info.Mode().IsRegular() {
				continue
			}
			h.size += info.Size()
			if mark, found := owners.MarkOf(file); found {
				h.owners = append(h.owners, mark)
			}
			if info.ModTime().After(h.at) {
				h.at = info.ModTime()
			}
		}
		all = append(all, h)
	}
	return all
}
