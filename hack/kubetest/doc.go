// Package kubetest gives tests a real Kubernetes API: one control plane for each test binary, with Mantle's CRDs
// installed. A package that uses it says so once, and then every test takes the cluster and a namespace of its own:
//
//	func TestMain(m *testing.M) { kubetest.Main(m) }
//
//	func TestSomething(t *testing.T) {
//		cluster := kubetest.Start(t)
//		namespace := cluster.Namespace(t)
//		…
//	}
//
// The control plane is the program of hack/controlplane; MANTLE_CONTROLPLANE names it, and otherwise it is looked for
// in the repository's bin folder, where `make test` puts it. Where KUBEBUILDER_ASSETS is set, the etcd and
// kube-apiserver in that folder are used instead; then nothing collects garbage, and a test that needs that says
// RequireGarbageCollection and is skipped. The first call of Start starts the control plane; it ends with Main, or when
// the test binary dies in any other way, because it watches a pipe that this process holds.
package kubetest
