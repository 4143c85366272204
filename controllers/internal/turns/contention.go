package turns

import "time"

// Contention records which keys are in use, and reports whether another key than a given one was used within the last
// second. The zero value is ready to use. It is not safe for concurrent use.
type Contention struct {
	// latest is the last use, and before the last use of another key.
	latest, before use
}

// use is the last use of a key.
type use struct {
	key string
	at  time.Time
}

// within is how long a use counts.
const within = time.Second

// Note records the use of a key.
func (c *Contention) Note(key string) {
	if c.latest.key != key {
		c.before = c.latest
	}
	c.latest = use{key, time.Now()}
}

// Contended reports whether another key was used within the last second.
func (c *Contention) Contended(key string) bool {
	other := c.latest
	if other.key == key {
		other = c.before
	}
	return !other.at.IsZero() && time.Since(other.at) <= within
}
