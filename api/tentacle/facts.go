package tentacle

import (
	"strconv"
	"strings"
)

// Policy says how binding the owner's rules for a machine are.
type Policy string

// The policies of a machine: none is set, one is set that a script could get around, one is set that holds.
const (
	PolicyNone     Policy = "none"
	PolicyAdvisory Policy = "advisory"
	PolicyEnforced Policy = "enforced"
)

const (
	versionFact  = "mantle.version="
	platformFact = "mantle.platform="
	policyFact   = "mantle.policy="
	engineFact   = "MantleEngine/"
	auditFact    = "mantle.audit="
	lowDiskFact  = "mantle.lowDisk="
	noJournal    = "mantle.journal=none"

	maxCapabilities = 256
	maxCapability   = 200
)

// Facts is what the strings of a capabilities response say. The zero values mean "not told", as with a
// Tentacle that is not Mantle's.
type Facts struct {
	// Services are the names without a meaning of their own here: in practice services, in the order told.
	Services []string
	// Version is that of a Mantle Tentacle, for example "1.4.0".
	Version string
	// OS and Arch are those of the machine, as Go names them.
	OS, Arch string
	Policy   Policy
	// Engine is the version of the step plans that the Tentacle's own engine reads; 0 means no engine.
	Engine int
	// Audit is the head of the machine's audit log; its Hash is empty where none is told.
	Audit AuditHead
	// LowDisk is how many MiB are free on a machine that refuses scripts because they are too few; nil elsewhere.
	LowDisk *int64
	// NoJournal says that nothing was ever deployed to the machine, so that an inventory step would find nothing.
	NoJournal bool
	// Old says that the Tentacle is older than the capabilities service, so that nothing was told. See Client.Facts.
	Old bool
}

// Mantle tells whether the Tentacle is Mantle's: only those tell their version. All others are taken for Octopus's.
func (f Facts) Mantle() bool { return f.Version != "" }

// ParseFacts reads a capabilities response. The response is a stranger's: more than 256 strings, and strings
// that are longer than 200 bytes or hold control characters, are passed over; facts that do not parse are too.
func ParseFacts(r CapabilitiesResponseV2) Facts {
	var f Facts
	for i, c := range r.SupportedCapabilities {
		if i == maxCapabilities {
			break
		}
		if len(c) > maxCapability || strings.ContainsFunc(c, control) {
			continue
		}
		f.add(c)
	}
	return f
}

func control(r rune) bool { return r < ' ' || r == 0x7f }

func (f *Facts) add(capability string) {
	if v, found := strings.CutPrefix(capability, versionFact); found {
		f.Version = v
	} else if v, found := strings.CutPrefix(capability, platformFact); found {
		f.setPlatform(v)
	} else if v, found := strings.CutPrefix(capability, policyFact); found {
		f.Policy = Policy(v)
	} else if v, found := strings.CutPrefix(capability, engineFact); found {
		if n, err := strconv.Atoi(v); err == nil && n > 0 {
			f.Engine = n
		}
	} else if v, found := strings.CutPrefix(capability, auditFact); found {
		if head, err := ParseAuditHead(v); err == nil {
			f.Audit = head
		}
	} else if v, found := strings.CutPrefix(capability, lowDiskFact); found {
		f.setLowDisk(v)
	} else if capability == noJournal {
		f.NoJournal = true
	} else {
		f.Services = append(f.Services, capability)
	}
}

func (f *Facts) setPlatform(v string) {
	system, arch, found := strings.Cut(v, "/")
	if found && system != "" && arch != "" {
		f.OS, f.Arch = system, arch
	}
}

func (f *Facts) setLowDisk(v string) {
	if n, err := strconv.ParseInt(v, 10, 64); err == nil && n >= 0 {
		f.LowDisk = &n
	}
}

// Has tells whether a service is there, by its name on the wire.
func (f Facts) Has(service string) bool {
	for _, s := range f.Services {
		if s == service {
			return true
		}
	}
	return false
}

// Response is the capabilities response that tells these facts: the services, then what is known.
func (f Facts) Response() CapabilitiesResponseV2 {
	all := append([]string{}, f.Services...)
	if f.Version != "" {
		all = append(all, versionFact+f.Version)
	}
	if f.OS != "" && f.Arch != "" {
		all = append(all, platformFact+f.OS+"/"+f.Arch)
	}
	if f.Policy != "" {
		all = append(all, policyFact+string(f.Policy))
	}
	if f.Engine > 0 {
		all = append(all, engineFact+strconv.Itoa(f.Engine))
	}
	if f.Audit.Hash != "" {
		all = append(all, auditFact+f.Audit.String())
	}
	if f.LowDisk != nil {
		all = append(all, lowDiskFact+strconv.FormatInt(*f.LowDisk, 10))
	}
	if f.NoJournal {
		all = append(all, noJournal)
	}
	return CapabilitiesResponseV2{SupportedCapabilities: all}
}
