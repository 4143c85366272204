// Package access asks the API server who sends a request, and whether they may do what they ask for.
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

// The bounds of what strangers can have the API server asked: so many questions at once, in all and for one address, and
// how long a request waits for a turn.
const (
	MaxAsked      = 16
	MaxAskedByOne = 4
	TurnWithin    = 5 * time.Second
)

// Gate has requests wait for their turn, by address: whoever can connect can ask, without a right to anything.
type Gate struct{ turns *turns.Gate }

// NewGate makes a Gate.
func NewGate() Gate { return Gate{turns.NewGate(MaxAsked, MaxAskedByOne)} }

// InTurn calls ask when the request has its turn, and answers what ask does: an HTTP status and, unless that is 200, why.
func (g Gate) InTurn(r *http.Request, ask func() (status int, why string)) (status int, why string) {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	ctx, cancel := context.WithTimeout(r.Context(), TurnWithin)
	defer cancel()
	if err := g.turns.Enter(ctx, host); err != nil {
		return http.StatusTooManyRequests, "too many ask at once; try again"
	}
	defer g.turns.Leave(host)
	return ask()
}

// Allowed asks the API server whose the bearer token of an Authorization header is, and whether they have the access that
// a SubjectAccessReview of spec describes. It answers an HTTP status and, unless that is 200, why. What names the access
// for people.
func Allowed(ctx context.Context, c client.Client, header string, spec authorizationv1.SubjectAccessReviewSpec, what string) (status int, why string) {
	token, bearer := strings.CutPrefix(header, "Bearer ")
	if !bearer || token == "" {
		return http.StatusUnauthorized, "send a bearer token, for example of `kubectl create token`"
	}
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}
	if err := c.Create(ctx, review); err != nil {
		return http.StatusServiceUnavailable, "the API server could not be asked whose token it is; try again"
	}
	if !review.Status.Authenticated {
		return http.StatusUnauthorized, "the token is not valid"
	}
	user := review.Status.User
	spec.User, spec.UID, spec.Groups, spec.Extra = user.Username, user.UID, user.Groups, extra(user.Extra)
	asked := &authorizationv1.SubjectAccessReview{Spec: spec}
	if err := c.Create(ctx, asked); err != nil {
		return http.StatusServiceUnavailable, "the API server could not be asked what you may read; try again"
	}
	if !asked.Status.Allowed {
		return http.StatusForbidden, user.Username + " may not " + what
	}
	return http.StatusOK, ""
}

// extra passes on what else is known of the user: a token may be worth less than its user, and that is where it says so.
func extra(of map[string]authenticationv1.ExtraValue) map[string]authorizationv1.ExtraValue {
	all := make(map[string]authorizationv1.ExtraValue, len(of))
	for name, values := range of {
		all[name] = authorizationv1.ExtraValue(values)
	}
	return all
}
