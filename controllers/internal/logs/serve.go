package logs

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/access"
)

// Prefix is where Handler is served.
const Prefix = "/logs/"

// Handler serves GET /logs/<namespace>/<run>/<target>/<step> as plain text, the newest attempt, to those whose bearer
// token belongs to somebody who may `get` deploymentruns/log in that namespace. The step may be `parent/child`. The run is
// the one that has this name now.
func (s *Store) Handler(c client.Client) http.Handler {
	asking := access.NewGate()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parts := strings.SplitN(strings.TrimPrefix(r.URL.Path, Prefix), "/", 4)
		if r.Method != http.MethodGet || len(parts) != 4 {
			http.Error(w, "ask for GET /logs/<namespace>/<run>/<target>/<step>", http.StatusNotFound)
			return
		}
		if status, why := asking.InTurn(r, func() (int, string) {
			return allowed(r.Context(), c, r.Header.Get("Authorization"), parts[0], parts[1])
		}); status != http.StatusOK {
			http.Error(w, why, status)
			return
		}
		run := &v1alpha1.DeploymentRun{}
		err := c.Get(r.Context(), types.NamespacedName{Namespace: parts[0], Name: parts[1]}, run)
		if apierrors.IsNotFound(err) {
			http.Error(w, "LogUnavailable: there is no DeploymentRun "+parts[1], http.StatusNotFound)
			return
		}
		if err != nil {
			http.Error(w, "the API server could not be asked for the run; try again", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if err := s.copyTo(w, parts[0], run.UID, parts[2], parts[3]); errors.Is(err, ErrNotKept) {
			http.Error(w, "LogUnavailable: "+err.Error(), http.StatusNotFound)
		}
	})
}

// allowed asks the API server who the caller is and what they may read.
func allowed(ctx context.Context, c client.Client, header, namespace, run string) (status int, why string) {
	return access.Allowed(ctx, c, header, authorizationv1.SubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
		Namespace: namespace, Name: run, Verb: "get", Group: "mantle.dev", Resource: "deploymentruns", Subresource: "log"}},
		"get deploymentruns/log in namespace "+namespace)
}

// copyTo writes the text of the newest attempt.
func (s *Store) copyTo(w http.ResponseWriter, namespace string, run types.UID, target, step string) error {
	first, err := s.path(namespace, run, target, step, 1)
	if err != nil {
		return err
	}
	path := ""
	for attempt := int32(1); attempt <= maxAttempts; attempt++ {
		candidate, err := s.path(namespace, run, target, step, attempt)
		if err != nil {
			return err
		}
		if _, err := os.Stat(candidate); err != nil {
			break
		}
		path = candidate
	}
	if path == "" {
		return fmt.Errorf("%s: %w", filepath.Base(first), ErrNotKept)
	}
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("opening a log: %w", ErrNotKept)
	}
	defer file.Close()
	copyText(w, file)
	return nil
}

// copyText writes the text of a log and answers how long it is. It ends early where the reader goes away.
func copyText(w io.Writer, file io.Reader) (size int64) {
	lines := bufio.NewReaderSize(io.LimitReader(file, maxFile), maxTail)
	for {
		line, err := lines.ReadSlice('\n') // no line is longer than maxTail
		if parts := bytes.SplitN(line, []byte("\t"), 4); len(parts) == 4 {
			n, err := w.Write(parts[3])
			if size += int64(n); err != nil {
				return size
			}
		}
		if err != nil {
			return size
		}
	}
}
