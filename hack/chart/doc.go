// Command chart writes those templates of the Helm chart that say the same as config/: the definitions, the rights, the
// ServiceAccount, the Deployment and its Service. So nothing is written twice, and what `kubectl apply -k` installs is
// what Helm installs.
//
//	go run ./hack/chart -config config -out charts/mantle/templates
//
// It reads the objects, puts marks where the chart lets its user choose, writes YAML, and replaces the marks by template
// expressions. Values, their schema, NOTES.txt and what only a chart has are written by hand in charts/mantle.
package main
