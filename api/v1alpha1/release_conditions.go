package v1alpha1

// ConditionResolved of a Release is true when its process is frozen and every package was found.
const ConditionResolved = "Resolved"

// ConditionProjectChanged of a Release is true while the process or the variables of its Project are not those that were
// frozen; the release goes on to deploy the frozen ones.
const ConditionProjectChanged = "ProjectChanged"

// The reasons of a Release's conditions.
const (
	// ReasonProjectChanged surfaces when the Project was changed after the release was made: make a new Release to take the change.
	ReasonProjectChanged = "ProjectChanged"
	// ReasonResolved surfaces when the process is frozen and every package was found.
	ReasonResolved = "Resolved"
	// ReasonProjectNotFound surfaces while the named Project is not there.
	ReasonProjectNotFound = "ProjectNotFound"
	// ReasonProjectNotReady surfaces while the Project is not Ready at its current generation.
	ReasonProjectNotReady = "ProjectNotReady"
	// ReasonProcessDigestMismatch surfaces while the Project's process is not the one that spec.processDigest names.
	ReasonProcessDigestMismatch = "ProcessDigestMismatch"
	// ReasonPackageMissing surfaces when the release does not name a package of the project, or names one that the project lacks.
	ReasonPackageMissing = "PackageMissing"
	// ReasonPackagePending surfaces while a package is being fetched.
	ReasonPackagePending = "PackagePending"
	// ReasonPackageUnavailable surfaces when a package cannot be fetched at the moment; it is tried again.
	ReasonPackageUnavailable = "PackageUnavailable"
	// ReasonPackageRefused surfaces when a package's url is one that the operator does not fetch.
	ReasonPackageRefused = "PackageRefused"
	// ReasonPackageInvalid surfaces when what was fetched is not a sound archive, or is too large.
	ReasonPackageInvalid = "PackageInvalid"
	// ReasonPackageChanged surfaces when a package's digest is not the one that was asked for, or was seen first.
	ReasonPackageChanged = "PackageChanged"
	// ReasonSnapshotInUse surfaces while the snapshot of an earlier release of this name is still there and cannot be taken over.
	ReasonSnapshotInUse = "SnapshotInUse"
	// ReasonSnapshotUnreadable surfaces when this operator cannot read the frozen process.
	ReasonSnapshotUnreadable = "SnapshotUnreadable"
	// ReasonSnapshotTooLarge surfaces when the frozen process would take more than 512 KiB.
	ReasonSnapshotTooLarge = "SnapshotTooLarge"
)
