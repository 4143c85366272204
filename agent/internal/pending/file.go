package pending

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/api/halibut"
)

const (
	fileVersion = 1
	maxFile     = 1 << 20
)

// Operator is one who was refused.
type Operator struct {
	// Number names the operator in commands; it is not given to another.
	Number int `json:"number"`
	// SHA1 and SHA256 are the thumbprints of the certificate. Of one that cannot be read there are none: SHA256 stands for the
	// address, and Unreadable says why.
	SHA1   halibut.Thumbprint `json:"sha1"`
	SHA256 halibut.Thumbprint `json:"sha256"`
	// Unreadable is why the certificate cannot be read.
	Unreadable string `json:"unreadable,omitempty"`
	// Address is where the last attempt came from, without its port; First was the first of Count attempts.
	Address string    `json:"address"`
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
	Count   int64     `json:"count"`
	// Ignored operators are not listed unless they are asked for.
	Ignored bool `json:"ignored,omitempty"`

	// stored tells the daemon that the file had it.
	stored bool
}

// Is tells whether t is one of the operator's thumbprints.
func (o Operator) Is(t halibut.Thumbprint) bool { return o.SHA256 == t || o.SHA1 == t }

// content is the file. Next is the number for the next operator.
type content struct {
	Version   int        `json:"version"`
	Next      int        `json:"next"`
	Operators []Operator `json:"operators"`
}

// Read returns who is pending in h, as far as it is written, in the order in which they came.
func Read(h home.Home) ([]Operator, error) {
	c, err := read(h)
	return c.Operators, err
}

func read(h home.Home) (content, error) {
	path := h.Pending()
	data, err := home.ReadFile(path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return content{Version: fileVersion, Next: 1}, nil
	}
	if err != nil {
		return content{}, err
	}
	var c content
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	err = d.Decode(&c)
	switch {
	case err != nil:
	case c.Version != fileVersion:
		err = fmt.Errorf("it has version %d and this tentacle knows %d", c.Version, fileVersion)
	case len(c.Operators) > maxOperators:
		err = fmt.Errorf("more than %d operators", maxOperators)
	default:
		err = c.check()
	}
	if err != nil {
		return content{}, fmt.Errorf("reading %s: %w; remove it, as who is refused again is remembered again", path, err)
	}
	return c, nil
}

func (c content) check() error {
	for _, o := range c.Operators {
		sha256, err := halibut.ParseThumbprint(string(o.SHA256))
		if err != nil || sha256 != o.SHA256 || !strings.HasPrefix(string(sha256), "sha256:") || o.Number < 1 || o.Number >= c.Next {
			return fmt.Errorf("%.100q with number %d is no operator", o.SHA256, o.Number)
		}
	}
	return nil
}

func write(h home.Home, c content) error {
	c.Version = fileVersion
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding refused operators: %w", err)
	}
	return home.WriteFile(h.Pending(), append(data, '\n'))
}

// Remove forgets the operators that t names, and returns them.
func Remove(h home.Home, t halibut.Thumbprint) (removed []Operator, err error) {
	return removed, change(h, func(c *content) {
		c.Operators = slices.DeleteFunc(c.Operators, func(o Operator) bool {
			if o.Is(t) {
				removed = append(removed, o)
			}
			return o.Is(t)
		})
	})
}

// Ignore stops listing the operators that t names, and returns them.
func Ignore(h home.Home, t halibut.Thumbprint) (ignored []Operator, err error) {
	return ignored, change(h, func(c *content) {
		for i := range c.Operators {
			if c.Operators[i].Is(t) {
				c.Operators[i].Ignored = true
				ignored = append(ignored, c.Operators[i])
			}
		}
	})
}

// change lets f alter the file, inside the home's lock.
func change(h home.Home, f func(*content)) error {
	return h.Change(func() error {
		c, err := read(h)
		if err != nil {
			return err
		}
		before := slices.Clone(c.Operators)
		f(&c)
		if slices.Equal(before, c.Operators) {
			return nil
		}
		return write(h, c)
	})
}
