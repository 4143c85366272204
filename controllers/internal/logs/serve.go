package logs

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/controllers/internal/turns"
)

// Prefix is where Handler is served.
const Prefix = "/logs/"

// The bounds of what strangers can have the API server asked: so many questions at once, in all and for one address, and how
// long a reader waits for a turn.
const (
	maxAsked, maxAskedByOne = 16, 4
	turnWithin              = 5 * time.Second
)

// inTurn asks for a reader once that has its turn: whoever can connect can ask, without a right to anything.
func inTurn(asking *turns.Gate, r *http.Request, ask func() (status int, why string)) (status int, why string) {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	ctx, cancel := context.WithTimeout(r.Context(), turnWithin)
	defer cancel()
	if err := asking.Enter(ctx, host); err != nil {
		return http.StatusTooManyRequests, "too many ask for logs; try again"
	}
	defer asking.Leave(host)
	return ask()
}

// allowed asks the API server who the caller is and what they may read.
func allowed(ctx context.Context, c client.Client, header, namespace, run string) (status int, why string) {
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
	access := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user.Username, UID: user.UID, Groups: user.Groups, Extra: extra(user.Extra),
		ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: namespace, Name: run, Verb: "get",
			Group: "mantle.dev", Resource: "deploymentruns", Subresource: "log"},
	}}
	if err := c.Create(ctx, access); err != nil {
		return http.StatusServiceUnavailable, "the API server could not be asked what you may read; try again"
	}
	if !access.Status.Allowed {
		return http.StatusForbidden, fmt.Sprintf("%s may not get deploymentruns/log in namespace %s", user.Username, namespace)
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
