package logs

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/access"
	"github.com/mantledeploy/mantle/controllers/internal/turns"
)

// Handler serves the output of runs, as plain text, to users who may `get` deploymentruns/log in the namespace. The
// request must have a bearer token. The run is the one that has this name now.
//
//	GET /logs/<namespace>/<run>                   list of outputs, as text or (?output=json) JSON
//	GET /logs/<namespace>/<run>/<target>          list of one target
//	GET /logs/<namespace>/<run>/<target>/<step>   the output; the step may be parent/child
//
// For an output, ?attempt=<n> selects another attempt than the newest, ?timestamps=true adds the time before each line,
// and ?follow=true continues until the step has ended. Errors: 404 if there is no such run, target or step, 409 if the
// step has not run on the target (yet), 410 if the output was removed or is in another replica.
//
// The client reads through a cache, which keeps neither the steps of runs nor the messages of rows; reader does not.
func (s *Store) Handler(c client.Client, reader client.Reader) http.Handler {
	h := &handler{store: s, client: c, reader: reader, asking: access.NewGate(),
		following: turns.NewGate(maxFollowers, maxFollowersOfNamespace), fromOne: turns.NewGate(maxFollowers, maxFollowersOfAddress)}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if err := h.serve(w, r); err != nil {
			http.Error(w, err.message, err.status)
		}
	})
}

// handler answers requests for logs.
type handler struct {
	store  *Store
	client client.Client
	reader client.Reader
	// asking limits the requests that wait for authorization.
	asking access.Gate
	// following and fromOne limit the followers, by namespace and by address.
	following, fromOne *turns.Gate
}

// failure is an error response.
type failure struct {
	status  int
	message string
}

func fail(status int, format string, args ...any) *failure {
	return &failure{status, fmt.Sprintf(format, args...)}
}

// logRequest is a parsed request.
type logRequest struct {
	namespace, name, target, step string
	// attempt is 0 for the newest.
	attempt                  int32
	follow, timestamps, json bool
	// from is the address of the client.
	from string
	run  *v1alpha1.DeploymentRun
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request) *failure {
	of, err := readRequest(r)
	if err != nil {
		return err
	}
	if status, why := h.asking.InTurn(r, func() (int, string) {
		return allowed(r.Context(), h.client, r.Header.Get("Authorization"), of.namespace, of.name)
	}); status != http.StatusOK {
		return fail(status, "%s", why)
	}
	of.run = &v1alpha1.DeploymentRun{}
	switch err := h.client.Get(r.Context(), types.NamespacedName{Namespace: of.namespace, Name: of.name}, of.run); {
	case apierrors.IsNotFound(err):
		return fail(http.StatusNotFound, "RunNotFound: there is no DeploymentRun %s in namespace %s", of.name, of.namespace)
	case err != nil:
		return fail(http.StatusServiceUnavailable, "the operator could not read the run from the API server; try again")
	case of.step == "":
		return h.list(r.Context(), w, of)
	case of.follow:
		return h.follow(r.Context(), w, of)
	default:
		return h.output(r.Context(), w, of)
	}
}

// readRequest parses a request. It does not check the names.
func readRequest(r *http.Request) (logRequest, *failure) {
	parts := strings.SplitN(strings.Trim(strings.TrimPrefix(r.URL.Path, Prefix), "/"), "/", 4)
	if r.Method != http.MethodGet || len(parts) < 2 || parts[0] == "" || parts[1] == "" {
		return logRequest{}, fail(http.StatusNotFound, "use GET /logs/<namespace>/<run> for the list of outputs, or GET /logs/<namespace>/<run>/<target>/<step> for one output")
	}
	parts = append(parts, "", "")
	of, query := logRequest{namespace: parts[0], name: parts[1], target: parts[2], step: parts[3], from: access.Address(r)}, r.URL.Query()
	of.json = query.Get("output") == "json" || strings.Contains(r.Header.Get("Accept"), "application/json")
	return of, of.options(query)
}

// options parses the query.
func (of *logRequest) options(query url.Values) *failure {
	for name, field := range map[string]*bool{"follow": &of.follow, "timestamps": &of.timestamps} {
		value := query.Get(name)
		if value == "" {
			continue
		}
		is, err := strconv.ParseBool(value)
		if err != nil {
			return fail(http.StatusBadRequest, "%s must be true or false", name)
		}
		*field = is
	}
	if value := query.Get("attempt"); value != "" {
		n, err := strconv.ParseUint(value, 10, 31)
		if err != nil || n < 1 || n > maxAttempts {
			return fail(http.StatusBadRequest, "attempt must be a number from 1 to %d", maxAttempts)
		}
		of.attempt = int32(n)
	}
	return nil
}

// output serves what is stored of an output.
func (h *handler) output(ctx context.Context, w http.ResponseWriter, of logRequest) *failure {
	file, err := h.open(ctx, of)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if file == nil {
		return nil // it wrote nothing
	}
	defer file.Close()
	(&copier{w: w, timestamps: of.timestamps}).copy(file)
	return nil
}
