package v1alpha1

// ObjectName is the name of an object in the same namespace.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
type ObjectName string

// Role is a name for what a machine does, for example web.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$`
type Role string

// StepName is the name of a step: a DNS label, unique in its whole process.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
type StepName string

// OutputName is the declared name of a value that a step gives to later steps.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_.-]*$`
type OutputName string

// AnnotationCheck on a DeploymentTarget asks for a health check now; any new value is a new request.
const AnnotationCheck = "mantle.dev/check"

// AnnotationRetry on a ReleaseBinding asks for one more run after one that failed, and where none failed for the same release
// to be deployed again; any new value is a new request.
const AnnotationRetry = "mantle.dev/retry"

// Annotations and labels that the operator writes.
const (
	// AnnotationDesiredHash on a DeploymentRun is the hash of the desired release and targets that it was made for.
	AnnotationDesiredHash = "mantle.dev/desired-hash"
	// AnnotationHandledRetry on a DeploymentRun is the retry token that it was made for.
	AnnotationHandledRetry = "mantle.dev/handled-retry"
	// AnnotationSequence on a DeploymentRun is its place in its binding's chain of runs, from 1.
	AnnotationSequence = "mantle.dev/sequence"
	// LabelProject on a DeploymentRun and its slices is the name of the project that is deployed.
	LabelProject = "mantle.dev/project"
	// LabelEnvironment on a DeploymentRun and its slices is the name of the environment that is deployed to.
	LabelEnvironment = "mantle.dev/environment"
	// LabelRelease on a DeploymentRun and its slices is the version that is deployed, as Version.InName writes it. It is left
	// out if it has more than 63 characters.
	LabelRelease = "mantle.dev/release"
	// LabelBindingUID on a DeploymentRun is the UID of the binding that made it.
	LabelBindingUID = "mantle.dev/binding-uid"
	// LabelRunUID on a DeploymentRunSlice is the UID of its run.
	LabelRunUID = "mantle.dev/run-uid"
	// LabelReleaseUID on a ControllerRevision is the UID of the release that it freezes.
	LabelReleaseUID = "mantle.dev/release-uid"
	// AnnotationNamespaceUID on an identity Secret is the UID of the namespace that it was made for.
	AnnotationNamespaceUID = "mantle.dev/namespace-uid"
	// AnnotationIdentity on an identity Secret is an administrator's answer after IdentityLost: "keep" keeps it
	// for the namespace of today, "renew" makes another.
	AnnotationIdentity = "mantle.dev/identity"
	// FinalizerRun holds a DeploymentRun until its scripts are cancelled.
	FinalizerRun = "mantle.dev/run"
)

// Condition types that every kind with a controller carries, in the meaning of kstatus: absent Reconciling
// and Stalled mean false.
const (
	ConditionReady       = "Ready"
	ConditionReconciling = "Reconciling"
	ConditionStalled     = "Stalled"
)
