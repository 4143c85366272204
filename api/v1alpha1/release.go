package v1alpha1

// ReleaseName is the name of the Release object of a project's version.
func ReleaseName(project ObjectName, version Version) string {
	return string(project) + "-" + string(version)
}
