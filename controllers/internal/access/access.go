// Package access authenticates and authorises HTTP requests with the API server.
package access

import (
	"context"
	"net"
	"net/http"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/controllers/internal/turns"
)

// The limits of reviews that unauthenticated clients can cause: how many run at once, in all and for one address, and
// how long a request waits.
const (
	MaxAsked      = 16
	MaxAskedByOne = 4
	TurnWithin    = 5 * time.Second
)

// Gate limits concurrent requests, in all and by address, because clients without any rights can connect.
type Gate struct{ turns *turns.Gate }

// NewGate returns a Gate.
func NewGate() Gate { return Gate{turns.NewGate(MaxAsked, MaxAskedByOne)} }

// InTurn calls ask when the limits allow it, and returns its result: an HTTP status and, unless that is 200, the reason.
func (g Gate) InTurn(r *http.Request, ask func() (status int, why string)) (status int, why string) {
	host := Address(r)
	ctx, cancel := context.WithTimeout(r.Context(), TurnWithin)
	defer cancel()
	if err := g.turns.Enter(ctx, host); err != nil {
		return http.StatusTooManyRequests, "too many requests; try again"
	}
	defer g.turns.Leave(host)
	return ask()
}

// Address returns the address of the client, without its port.
func Address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// Allowed authenticates the bearer token of an Authorization header, and checks with a SubjectAccessReview that its
// user has the access in spec. It returns an HTTP status and, unless that is 200, the reason. what describes the access
// in messages.
func Allowed(ctx context.Context, c client.Client, header string, spec authorizationv1.SubjectAccessReviewSpec, what string) (status int, why string) {
	token, bearer := strings.CutPrefix(header, "Bearer ")
	if !bearer || token == "" {
		return http.StatusUnauthorized, "send a bearer token, for example from `kubectl create token`"
	}
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}
	if err := c.Create(ctx, review); err != nil {
		return http.StatusServiceUnavailable, "the operator could not check the token with the API server; try again"
	}
	if !review.Status.Authenticated {
		return http.StatusUnauthorized, "the token is not valid"
	}
	user := review.Status.User
	spec.User, spec.UID, spec.Groups, spec.Extra = user.Username, user.UID, user.Groups, extra(user.Extra)
	asked := &authorizationv1.SubjectAccessReview{Spec: spec}
	if err := c.Create(ctx, asked); err != nil {
		return http.StatusServiceUnavailable, "the operator could not check your access with the API server; try again"
	}
	if !asked.Status.Allowed {
		return http.StatusForbidden, user.Username + " may not " + what
	}
	return http.StatusOK, ""
}

// extra converts the extra information about a user. It can limit the token to a part of the user's access.
func extra(of map[string]authenticationv1.ExtraValue) map[string]authorizationv1.ExtraValue {
	all := make(map[string]authorizationv1.ExtraValue, len(of))
	for name, values := range of {
		all[name] = authorizationv1.ExtraValue(values)
	}
	return all
}
