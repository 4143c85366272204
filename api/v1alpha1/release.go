package v1alpha1

// ReleaseName is the name of the Release object of a project's version: the project, a hyphen, and the version with two
// hyphens for its plus sign.
func ReleaseName(project ObjectName, version Version) string {
	return string(project) + "-" + version.InName()
}

// Is tells whether the release is the one of this version of the project. Its name alone does not tell: shop-1-2 is the
// name for version 2 of shop-1, and for version 1-2 of shop. It is false for nil.
func (r *Release) Is(project ObjectName, version Version) bool {
	return r != nil && r.Spec.Project == project && r.Spec.Version == version
}
