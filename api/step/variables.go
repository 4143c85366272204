package step

// The environment variables that the engine gives to a script. They are a contract: names and meaning
// do not change between releases, and new ones may be added. Beside them a script finds its own `env`
// values, everything that the Tentacle's process has, and Octopus's `Tentacle*` variables.
const (
	// EnvEngine is the absolute path of the engine's program (set by the Tentacle).
	EnvEngine = "MANTLE_ENGINE"
	// EnvHome is the absolute path of the Tentacle's home.
	EnvHome = "MANTLE_HOME"
	// EnvVariables is the path of a JSON file, one object from name to text, with all variables that are
	// not sensitive.
	EnvVariables = "MANTLE_VARIABLES"
	// EnvOutput is the path of a file to which a script appends lines of name=value, or, for a value of many lines,
	// name<<WORD, the lines, and a line that is WORD, which can be any word.
	EnvOutput = "MANTLE_OUTPUT"
	// EnvNamespace is the namespace of the project.
	EnvNamespace = "MANTLE_NAMESPACE"
	// EnvEnvironment is the name of the environment.
	EnvEnvironment = "MANTLE_ENVIRONMENT"
	// EnvProject is the name of the project.
	EnvProject = "MANTLE_PROJECT"
	// EnvRelease is the version of the release.
	EnvRelease = "MANTLE_RELEASE"
	// EnvRun is the name of the run.
	EnvRun = "MANTLE_RUN"
	// EnvStep is the path of the step, such as web/install.
	EnvStep = "MANTLE_STEP"
	// EnvTarget is the name of the target that the step runs on.
	EnvTarget = "MANTLE_TARGET"
	// EnvTicket is the ticket of this attempt.
	EnvTicket = "MANTLE_TICKET"
)

// EnvTentacleHome is where the engine learns its home from, as every Tentacle exports it.
const EnvTentacleHome = "TentacleHome"

// The outputs that every deploy step gives, declared or not.
const (
	// OutputPackageDirectory is the absolute folder that the package was unpacked to.
	OutputPackageDirectory = "package.directory"
	// OutputPackageVersion is the version of the package.
	OutputPackageVersion = "package.version"
)
