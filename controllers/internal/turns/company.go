package turns

import "time"

// Company tells whether a key has company: whether another one came within the last second. The zero value has seen none.
// It is not safe for concurrent use.
type Company struct {
	// latest is the key that came last, and before the last one that was another.
	latest, before came
}

// came is when a key came last.
type came struct {
	key string
	at  time.Time
}

// within is how long a key that came is company.
const within = time.Second

// Comes notes that a key came.
func (c *Company) Comes(key string) {
	if c.latest.key != key {
		c.before = c.latest
	}
	c.latest = came{key, time.Now()}
}

// Has tells whether the key has company.
func (c *Company) Has(key string) bool {
	other := c.latest
	if other.key == key {
		other = c.before
	}
	return !other.at.IsZero() && time.Since(other.at) <= within
}
