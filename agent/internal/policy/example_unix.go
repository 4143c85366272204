//go:build unix

package policy

const exampleFolder = "/srv/shop"
