package octopus

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/mantledeploy/mantle/api/halibut"
)

const (
	// MaxFile is the largest configuration that is read, in bytes.
	MaxFile = 1 << 20
	// defaultPort is what a Tentacle listens on that was not told otherwise.
	defaultPort = 10933
)

// Config is what of an Octopus Tentacle's configuration matters to one that takes its place.
type Config struct {
	// Home and Applications are its folders. They are told, not taken.
	Home, Applications string
	// ListenIP is the address that it listens on, empty for all; Port is its port.
	ListenIP string
	Port     uint16
	// NoListen says that it only polled its servers.
	NoListen bool
	// Thumbprint is that of its certificate (SHA-1), empty where the file does not say.
	Thumbprint halibut.Thumbprint
	// Listening are the servers that call it, and are to be trusted. Polling are those that it calls.
	Listening, Polling []Server

	certificate string
}

// Server is a trusted Octopus Server.
type Server struct {
	// Thumbprint is that of its certificate (SHA-1).
	Thumbprint halibut.Thumbprint
	// Address is where it was polled; empty for one that calls.
	Address string
}

// Listen is the address and port in the form of the setting listen.
func (c Config) Listen() string {
	port := strconv.FormatUint(uint64(c.Port), 10)
	if strings.Contains(c.ListenIP, ":") {
		return "[" + c.ListenIP + "]:" + port
	}
	return c.ListenIP + ":" + port
}

// settings is the file.
type settings struct {
	XMLName xml.Name `xml:"octopus-settings"`
	Set     []struct {
		Key   string `xml:"key,attr"`
		Value string `xml:",chardata"`
	} `xml:"set"`
}

// Parse reads a configuration file. An error names the key that is wrong.
func Parse(data []byte) (Config, error) {
	if len(data) > MaxFile {
		return Config{}, fmt.Errorf("it is longer than %d bytes, which no configuration of a Tentacle is", MaxFile)
	}
	var s settings
	d := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))
	if err := d.Decode(&s); err != nil {
		return Config{}, fmt.Errorf("it is not the XML of an Octopus Tentacle's configuration (%w); name the file that 'Tentacle list-instances' shows, "+
			"usually /etc/octopus/<instance>/tentacle-<instance>.config or C:\\Octopus\\Tentacle.config", err)
	}
	values := map[string]string{}
	for _, set := range s.Set {
		values[set.Key] = strings.TrimSpace(set.Value)
	}
	c := Config{
		Home: values["Octopus.Home"], Applications: values["Tentacle.Deployment.ApplicationDirectory"],
		certificate: values["Tentacle.Certificate"],
	}
	for _, part := range []struct {
		key  string
		read func(*Config, string) error
	}{
		{"Tentacle.Services.PortNumber", readPort},
		{"Tentacle.Services.ListenIP", readIP},
		{"Tentacle.Services.NoListen", readNoListen},
		{"Tentacle.CertificateThumbprint", readThumbprint},
		{"Tentacle.Communication.TrustedOctopusServers", readServers},
	} {
		if err := part.read(&c, values[part.key]); err != nil {
			return Config{}, fmt.Errorf("key %s: %w; mend it with Octopus's 'Tentacle configure' and try again", part.key, err)
		}
	}
	return c, nil
}

func readPort(c *Config, v string) error {
	c.Port = defaultPort
	if v == "" {
		return nil
	}
	n, err := strconv.ParseUint(v, 10, 16)
	if err != nil || n == 0 {
		return fmt.Errorf("%q is no port", v)
	}
	c.Port = uint16(n)
	return nil
}

func readIP(c *Config, v string) error {
	if v == "" || strings.EqualFold(v, "any") {
		return nil
	}
	ip, err := netip.ParseAddr(v)
	if err != nil {
		return fmt.Errorf("%q is no IP address", v)
	}
	if !ip.IsUnspecified() {
		c.ListenIP = ip.String()
	}
	return nil
}

func readNoListen(c *Config, v string) error {
	switch strings.ToLower(v) {
	case "", "false":
	case "true":
		c.NoListen = true
	default:
		return fmt.Errorf("%q is neither True nor False", v)
	}
	return nil
}

func readThumbprint(c *Config, v string) (err error) {
	if v != "" {
		c.Thumbprint, err = halibut.ParseThumbprint(v)
	}
	return err
}

// style is how a server and a Tentacle communicate; a number or a name in the file.
type style string

func (s *style) UnmarshalJSON(data []byte) error {
	switch text := strings.Trim(string(data), `"`); text {
	case "1", "TentaclePassive":
		*s = "listening"
	case "2", "TentacleActive":
		*s = "polling"
	default:
		*s = style(text)
	}
	return nil
}

func readServers(c *Config, v string) error {
	if v == "" {
		return nil
	}
	var servers []struct {
		Thumbprint         string
		CommunicationStyle style
		Address            *string
	}
	if err := json.Unmarshal([]byte(v), &servers); err != nil {
		return errors.New("it is not the JSON list that Octopus writes")
	}
	for _, s := range servers {
		t, err := halibut.ParseThumbprint(strings.TrimSpace(s.Thumbprint))
		if err != nil {
			return err
		}
		server := Server{Thumbprint: t}
		if s.Address != nil {
			server.Address = *s.Address
		}
		if s.CommunicationStyle == "listening" {
			c.Listening = append(c.Listening, server)
		} else {
			c.Polling = append(c.Polling, server)
		}
	}
	return nil
}
