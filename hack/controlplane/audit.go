package main

import (
	"errors"
	"fmt"
	"path/filepath"
)

// auditPolicy records who asked for what, and when, of one user and nothing of others. A request is recorded once it is
// answered, a watch once its answer begins.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  users: [%q]
- level: None
`

// auditSize is how many megabytes the log may have before the API server begins another file.
const auditSize = 4096

// auditFlags are the arguments of kube-apiserver for an audit log of one user; none without a file.
func auditFlags(dir, file, user string) ([]string, error) {
	if file == "" {
		return nil, nil
	}
	if user == "" {
		return nil, errors.New("--audit-log needs --audit-user: the user whose requests are recorded")
	}
	policy := filepath.Join(dir, "audit-policy.yaml")
	if err := writeFile(policy, fmt.Appendf(nil, auditPolicy, user)); err != nil {
		return nil, fmt.Errorf("writing the audit policy: %w", err)
	}
	return []string{"--audit-policy-file=" + policy, "--audit-log-path=" + file, fmt.Sprintf("--audit-log-maxsize=%d", auditSize)}, nil
}
