// Command controlplane runs a real Kubernetes API in one process: etcd, kube-apiserver, and the four controllers of
// kube-controller-manager that an operator's users rely on (garbage collector, namespace, service account and service
// account token). The demo and the tests stand on it, and so can anyone who wants to try custom resources without
// Docker or root.
//
//	controlplane [--dir DIR] [--port N] [--crds DIR] [--audit-log FILE --audit-user USER] [--keep] [--until-stdin-closes]
//
// When the API answers, it prints the line KUBECONFIG=<path> on standard output and writes the same path into
// DIR/ready. It runs until SIGINT or SIGTERM (or the end of standard input, when asked), then stops at once and
// removes what it wrote, unless --keep is given; a kept folder can be used again. What the three servers log goes to
// DIR/controlplane.log.
//
// Everything is built from Go modules. It is a module of its own, because k8s.io/kubernetes needs a block of replace
// directives that nobody who imports Mantle should inherit; for the same reason it also pins kubectl. etcd listens on
// a Unix socket inside DIR, so that the only open port is the API server's, on 127.0.0.1. There is no scheduler and no
// kubelet: pods are stored and never run.
package main
