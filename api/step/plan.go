package step

import "strings"

// Version is the version of Plan that this package writes and reads. A Tentacle announces it as the
// capability `MantleEngine/<Version>`; a plan of another version is refused before anything is done.
const Version = 1

// Kind says what a step does.
type Kind string

// The kinds of steps. Each has its own part in Plan, but for inventory, which needs none.
const (
	KindRun       Kind = "run"
	KindDeploy    Kind = "deploy"
	KindHealth    Kind = "health"
	KindInventory Kind = "inventory"
)

// Shell is the interpreter of a script.
type Shell string

// The interpreters that a script can ask for.
const (
	Bash       Shell = "Bash"
	PowerShell Shell = "PowerShell"
	Python     Shell = "Python"
)

// The sizes that a plan keeps to. All are in bytes, but for those that count something.
const (
	MaxPlanSize     = 4 << 20
	MaxSecretsSize  = 4 << 20
	MaxScriptSize   = 1 << 20
	MaxValueSize    = 256 << 10
	MaxSecrets      = 1024
	MaxVariables    = 4096
	MaxEnvVars      = 512
	MaxOutputNames  = 64
	MaxNameSize     = 253
	MaxUserSize     = 128
	MaxPathSize     = 1024
	MaxTimeout      = 7 * 24 * 60 * 60 // seconds
	DefaultTimeout  = 60 * 60          // seconds
	maxSegmentSize  = 200
	maxTicketLength = 100
)

// Plan is everything that the engine needs to know to do one step once.
type Plan struct {
	// Version must be Version.
	Version int `json:"version"`
	// Ticket is the identity of this attempt, as Ticket derives it.
	Ticket string `json:"ticket"`
	// Nonce marks the engine's own messages; Nonce derives it from the ticket.
	Nonce string `json:"nonce"`
	Kind  Kind   `json:"kind"`

	Namespace   string `json:"namespace,omitempty"`
	Environment string `json:"environment,omitempty"`
	Project     string `json:"project,omitempty"`
	// Release is the version that is deployed, not the name of an object.
	Release  string `json:"release,omitempty"`
	Snapshot string `json:"snapshot,omitempty"`
	// RunName and RunUID name the DeploymentRun.
	RunName string `json:"runName,omitempty"`
	RunUID  string `json:"runUID,omitempty"`
	// Step is the step's path: `migrate`, or `web/install` for a child of a rolling step.
	Step string `json:"step,omitempty"`
	// Target is the name of the DeploymentTarget.
	Target string `json:"target,omitempty"`
	// Final is set when no later step of the run addresses this target.
	Final bool `json:"final,omitempty"`
	// TimeoutSeconds counts from the engine's start; 0 means DefaultTimeout.
	TimeoutSeconds int64 `json:"timeoutSeconds,omitempty"`

	// Run, Deploy and Health are the parts of their kinds; exactly the one of Kind is set.
	Run    *Run    `json:"run,omitempty"`
	Deploy *Deploy `json:"deploy,omitempty"`
	Health *Health `json:"health,omitempty"`

	// Variables are all variables of the project in this scope, by name.
	Variables map[string]Value `json:"variables,omitempty"`
	// Outputs are the declared names of outputs; others that a script gives are dropped with a warning.
	Outputs []string `json:"outputs,omitempty"`
	// StepDigest stands for what a deploy step was evaluated to, without sensitive values. Command
	// computes it with DigestStep where it is empty.
	StepDigest string `json:"stepDigest,omitempty"`
}

// Value is a text, or a reference to the secret of that number in the secrets file; never both.
type Value struct {
	Text   string `json:"text,omitempty"`
	Secret *int   `json:"secret,omitempty"`
}

// Text makes a value that is not sensitive.
func Text(s string) Value { return Value{Text: s} }

// SecretRef makes a reference to the n-th secret, counted from 0.
func SecretRef(n int) Value { return Value{Secret: &n} }

// EnvVar is one environment variable of a script. Names of the MANTLE_ family are refused.
type EnvVar struct {
	Name  string `json:"name"`
	Value Value  `json:"value"`
}

// Run is the part of a plan that runs a script. The script is never rewritten. User and WorkingDir came
// after the first engines of Version 1: one that does not know them refuses the whole plan as it refuses
// every unknown field, so that it never runs a script as another user than was asked for.
type Run struct {
	Shell  Shell    `json:"shell"`
	Script string   `json:"script"`
	Env    []EnvVar `json:"env,omitempty"`
	// User is the name of the account that the script runs as; empty is the one that all scripts of the
	// machine run as. It is a name, never a number (CheckUser).
	User string `json:"user,omitempty"`
	// WorkingDir is the absolute path of the folder that the script begins in, which must be there; empty is
	// a folder of the script's own (CheckWorkingDir).
	WorkingDir string `json:"workingDir,omitempty"`
}

// Deploy is the part of a plan that unpacks a package and makes it the current one.
type Deploy struct {
	// Package is the package's name in the project, and the folder's name on the machine.
	Package string `json:"package"`
	// ID is what the package is called where it came from; informative.
	ID string `json:"id,omitempty"`
	// Version is the package's version and the name of its folder.
	Version string  `json:"version"`
	Content Content `json:"content"`
	// PublishedDigest is the digest of the file as it was published, which the operator has checked.
	PublishedDigest string `json:"publishedDigest,omitempty"`
}

// Content is the archive of a package as it was sent to the machine.
type Content struct {
	// SHA256 is 64 lower-case hex digits over the uncompressed archive; a zip file is its own content.
	SHA256 string `json:"sha256"`
	// Path is where the operator uploaded it, relative to the home; always ContentPath of the others.
	Path string `json:"path"`
	// Format is tar.gz, tar or zip.
	Format string `json:"format"`
	// Size is the number of bytes of the uploaded file; 0 is unknown.
	Size int64 `json:"size,omitempty"`
}

// The formats of a content.
const (
	FormatTarGz = "tar.gz"
	FormatTar   = "tar"
	FormatZip   = "zip"
)

const contentFolder = "Files/mantle/"

// ContentPath is where the content of that digest and format is uploaded to and looked for, relative
// to the home, with forward slashes.
func ContentPath(sha256, format string) string {
	return contentFolder + sha256 + "/content." + format
}

// IsContentPath tells whether a path is one that ContentPath gives, byte for byte.
func IsContentPath(path string) bool {
	rest, inside := strings.CutPrefix(path, contentFolder)
	sum, name, found := strings.Cut(rest, "/")
	format, named := strings.CutPrefix(name, "content.")
	return inside && found && named && IsSHA256(sum) && (format == FormatTarGz || format == FormatTar || format == FormatZip)
}

// Health is the part of a plan that checks a machine. Windows takes PowerShell, others take Bash;
// the machine is healthy when the script exits with 0, and trivially so where the script is empty.
type Health struct {
	Bash       string `json:"bash,omitempty"`
	PowerShell string `json:"powershell,omitempty"`
}
