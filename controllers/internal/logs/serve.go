package logs

import (
	"context"

	authorizationv1 "k8s.io/api/authorization/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/controllers/internal/access"
)

// Prefix is where Handler is served.
const Prefix = "/logs/"

// allowed authenticates and authorises a request with the API server.
func allowed(ctx context.Context, c client.Client, header, namespace, run string) (status int, why string) {
	return access.Allowed(ctx, c, header, authorizationv1.SubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
		Namespace: namespace, Name: run, Verb: "get", Group: "mantle.dev", Resource: "deploymentruns", Subresource: "log"}},
		"get deploymentruns/log in namespace "+namespace)
}
