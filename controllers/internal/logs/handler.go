package logs

import (
	"context"
	"fmt"
	"net"
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

// Handler serves the output of runs, as plain text, to those whose bearer token belongs to somebody who may `get`
// deploymentruns/log in the namespace. The run is the one that has this name now.
//
//	GET /logs/<namespace>/<run>                   what there is, as text or (?output=json) JSON
//	GET /logs/<namespace>/<run>/<target>          of one target
//	GET /logs/<namespace>/<run>/<target>/<step>   the output; the step may be parent/child
//
// Of an output, ?attempt=<n> names an attempt other than the newest, ?timestamps=true puts the time before each line, and
// ?follow=true goes on until the step has ended. What is not there is told apart: 404 if there is no such run, target or
// step, 409 if the step has not run there (yet), 410 if the output was removed or another replica has it.
//
// The client reads through a cache, which keeps neither the steps of runs nor what rows say in words; live reads past it.
func (s *Store) Handler(c client.Client, live client.Reader) http.Handler {
	h := &handler{store: s, client: c, live: live, asking: access.NewGate(),
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
	live   client.Reader
	// asking are those of whom the API server is asked.
	asking access.Gate
	// following and fromOne hold the followers, by namespace and address.
	following, fromOne *turns.Gate
}

// failure is an answer that is no log.
type failure struct {
	status  int
	message string
}

func fail(status int, format string, args ...any) *failure {
	return &failure{status, fmt.Sprintf(format, args...)}
}

// asked is what somebody asks for.
type asked struct {
	namespace, name, target, step string
	// attempt is 0 where the newest is asked for.
	attempt                  int32
	follow, timestamps, json bool
	// from is the address of who asks.
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
		return fail(http.StatusServiceUnavailable, "the API server could not be asked for the run; try again")
	case of.step == "":
		return h.list(r.Context(), w, of)
	case of.follow:
		return h.follow(r.Context(), w, of)
	default:
		return h.output(r.Context(), w, of)
	}
}

// readRequest reads what is asked for; names are judged where they are used.
func readRequest(r *http.Request) (asked, *failure) {
	parts := strings.SplitN(strings.Trim(strings.TrimPrefix(r.URL.Path, Prefix), "/"), "/", 4)
	if r.Method != http.MethodGet || len(parts) < 2 || parts[0] == "" || parts[1] == "" {
		return asked{}, fail(http.StatusNotFound, "ask for GET /logs/<namespace>/<run>, which lists what there is, or GET /logs/<namespace>/<run>/<target>/<step>")
	}
	parts = append(parts, "", "")
	of, query := asked{namespace: parts[0], name: parts[1], target: parts[2], step: parts[3], from: address(r)}, r.URL.Query()
	of.json = query.Get("output") == "json" || strings.Contains(r.Header.Get("Accept"), "application/json")
	return of, of.options(query)
}

// options reads what is asked for beside the path.
func (of *asked) options(query url.Values) *failure {
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

// address is from where somebody asks.
func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// output serves what there is of an output.
func (h *handler) output(ctx context.Context, w http.ResponseWriter, of asked) *failure {
	file, err := h.open(ctx, of)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if file == nil {
		return nil // it wrote nothing
	}
	defer file.Close()
	copyLines(w, file, of.timestamps)
	return nil
}
