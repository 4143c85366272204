package config

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// separateUsers says whether this system lets scripts run as another user than the daemon's.
const separateUsers = runtime.GOOS == "linux"

// DefaultPort is the port of a listening Tentacle (halibut.md section 1.1).
const DefaultPort = 10933

// Config is what can be set. Its zero value is not valid; start from Default.
type Config struct {
	// Listen is the address and port to serve on; an empty host means all addresses of the machine.
	Listen string `yaml:"listen"`
	// Address is what operators dial (host:port), where it was set; see Dialled.
	Address string `yaml:"address"`
	// Page says whether a browser that opens the port is told what this is.
	Page bool `yaml:"page"`
	// ScriptUser is the account that scripts run as; empty is the daemon's own. Whether there is one of that
	// name is for the daemon to find out.
	ScriptUser string `yaml:"scriptUser"`
	// LogLevel is the least level that is logged: debug, info, warn or error.
	LogLevel string `yaml:"logLevel"`
	// LogFormat is text or json.
	LogFormat string `yaml:"logFormat"`
}

// Key is one setting.
type Key struct {
	// Name is the key in the file; Flag and Env are its other spellings.
	Name, Flag, Env string
	// Help is one sentence for manuals and for the comment in the file.
	Help string
	set  func(*Config, string) error
	get  func(Config) string
}

// Default is what the key is where nothing sets it, as the file writes it; empty where it is made from the rest.
func (k Key) Default() string {
	if text := k.get(Default()); text != quote("") {
		return text
	}
	return ""
}

// Keys lists every setting, in the order of the file.
func Keys() []Key {
	return []Key{
		{
			"listen", "listen", "TENTACLE_LISTEN",
			"Address and port to serve on; ':10933' is every address of the machine.",
			func(c *Config, v string) error { c.Listen = v; return checkListen(v) },
			func(c Config) string { return quote(c.Listen) },
		},
		{
			"address", "address", "TENTACLE_ADDRESS",
			"Host and port that operators dial, printed by 'tentacle show --manifest'; empty means this machine's name and the port of 'listen'.",
			func(c *Config, v string) error { c.Address = v; return checkAddress(v) },
			func(c Config) string { return quote(c.Address) },
		},
		{
			"page", "page", "TENTACLE_PAGE",
			"Whether a browser that opens the port gets a short page that says what this is.",
			func(c *Config, v string) (err error) { c.Page, err = parseBool(v); return err },
			func(c Config) string { return strconv.FormatBool(c.Page) },
		},
		{
			"scriptUser", "script-user", "TENTACLE_SCRIPT_USER",
			"Account that scripts run as, so that they cannot read or change what belongs to the daemon; empty means the daemon's own. Linux only.",
			func(c *Config, v string) error { c.ScriptUser = v; return checkScriptUser(v) },
			func(c Config) string { return quote(c.ScriptUser) },
		},
		{
			"logLevel", "log-level", "TENTACLE_LOG_LEVEL",
			"Least level that is logged: debug, info, warn or error.",
			func(c *Config, v string) error { c.LogLevel = v; _, err := c.Level(); return err },
			func(c Config) string { return quote(c.LogLevel) },
		},
		{
			"logFormat", "log-format", "TENTACLE_LOG_FORMAT",
			"Form of a line in the log: text or json.",
			func(c *Config, v string) error { c.LogFormat = v; return checkFormat(v) },
			func(c Config) string { return quote(c.LogFormat) },
		},
	}
}

// Default is what holds where nothing is set. It has no Address.
func Default() Config {
	return Config{
		Listen:    ":" + strconv.Itoa(DefaultPort),
		Page:      true,
		LogLevel:  "info",
		LogFormat: "text",
	}
}

// Level is LogLevel as log/slog knows it.
func (c Config) Level() (slog.Level, error) {
	switch c.LogLevel {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	default:
		return 0, fmt.Errorf("%q is no level; write debug, info, warn or error", c.LogLevel)
	}
}

// Sources is where Load takes settings from.
type Sources struct {
	// File is the content of the configuration file; nil where there is none.
	File []byte
	// Path is that file's, for messages.
	Path string
	// Env looks up an environment variable.
	Env func(string) (string, bool)
	// Flags holds the flags that were given, by name.
	Flags map[string]string
}

// Load merges the sources over the defaults and checks the result. An error names the key and the
// source that holds the wrong value.
func Load(s Sources) (Config, error) {
	c := Default()
	if err := c.parse(s.File); err != nil {
		return Config{}, fmt.Errorf("%s: %w", strings.TrimSpace("configuration file "+s.Path), err)
	}
	for _, k := range Keys() {
		if s.Env != nil {
			if v, ok := s.Env(k.Env); ok {
				if err := k.set(&c, v); err != nil {
					return Config{}, fmt.Errorf("environment variable %s: %w", k.Env, err)
				}
			}
		}
		if v, ok := s.Flags[k.Flag]; ok {
			if err := k.set(&c, v); err != nil {
				return Config{}, fmt.Errorf("flag --%s: %w", k.Flag, err)
			}
		}
	}
	return c, nil
}

// Dialled is where operators dial: Address, or what follows from Listen and the machine's name.
func (c Config) Dialled() string {
	if c.Address != "" {
		return c.Address
	}
	host, port, err := split(c.Listen)
	if err != nil {
		return ""
	}
	if a, err := netip.ParseAddr(host); err == nil && !a.IsUnspecified() {
		return netip.AddrPortFrom(a, c.Port()).String()
	}
	if host, err = os.Hostname(); err != nil || host == "" {
		host = "localhost"
	}
	return host + ":" + port
}

// Port is the port of Listen.
func (c Config) Port() uint16 {
	_, port, _ := split(c.Listen)
	n, _ := strconv.ParseUint(port, 10, 16)
	return uint16(n)
}

// Format is the text of a configuration file that says c, with a comment for each key.
func (c Config) Format() []byte {
	var b bytes.Buffer
	b.WriteString("# Settings of this machine's Tentacle. A change takes effect when it is started again.\n")
	for _, k := range Keys() {
		fmt.Fprintf(&b, "\n# %s\n# Also --%s and %s.\n%s: %s\n", k.Help, k.Flag, k.Env, k.Name, k.get(c))
	}
	return b.Bytes()
}

func names() []string {
	var all []string
	for _, k := range Keys() {
		all = append(all, k.Name)
	}
	return all
}

// quote writes a scalar that YAML reads back as the same string.
func quote(s string) string { return strconv.Quote(s) }

func checkListen(v string) error {
	host, port, err := split(v)
	if err != nil {
		return err
	}
	if _, err := netip.ParseAddr(host); host != "" && err != nil {
		return fmt.Errorf("%q: %q is no IP address; write one of this machine's, or ':%s' for all of them", v, host, port)
	}
	return nil
}

func checkAddress(v string) error {
	if v == "" {
		return nil // to be made from the rest
	}
	host, port, err := split(v)
	if err != nil {
		return err
	}
	if host == "" || port == "0" {
		return fmt.Errorf("%q names no host and port that an operator could dial; write host:port", v)
	}
	return nil
}

func checkScriptUser(v string) error {
	if v != "" && !separateUsers {
		return fmt.Errorf("%q: scripts run as another user only on Linux; leave it empty, and run the daemon itself as the account that scripts are to have", v)
	}
	return nil
}

// parseBool takes YAML's other words for true and false, too.
func parseBool(v string) (bool, error) {
	switch strings.ToLower(v) {
	case "yes", "on":
		return true, nil
	case "no", "off":
		return false, nil
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		return false, fmt.Errorf("%q is neither true nor false", v)
	}
	return b, nil
}

func checkFormat(v string) error {
	if v != "text" && v != "json" {
		return fmt.Errorf("%q is no form; write text or json", v)
	}
	return nil
}

// split takes apart host:port and [v6]:port. It is written out so that this package needs nothing that
// can open a socket.
func split(v string) (host, port string, err error) {
	i := strings.LastIndexByte(v, ':')
	if i < 0 {
		return "", "", fmt.Errorf("%q has no port; write %s:%d", v, v, DefaultPort)
	}
	host, port = v[:i], v[i+1:]
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return "", "", fmt.Errorf("%q: %q is no port; write a number from 1 to 65535", v, port)
	}
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		return host[1 : len(host)-1], port, nil
	}
	if strings.ContainsAny(host, ":[] \t/") {
		return "", "", fmt.Errorf("%q: %q is no host; write an IPv6 address in brackets, as [::1]:%s", v, host, port)
	}
	return host, port, nil
}
