package halibut

import (
	"context"
	"crypto/x509"
	"net"
	"reflect"
	"strings"
)

// Typed is a parameter or result that is an object: HalibutType is its $type on the wire, with the assembly,
// as in "Halibut.DataStream, Halibut" (halibut.md section 3.3). Implement it on the value, not the pointer.
type Typed interface{ HalibutType() string }

// Aliased is a Typed with further names that a reader accepts.
type Aliased interface{ HalibutAliases() []string }

// Peer is who is at the other end of a server's connection. Certificate is nil when it showed none; nothing
// of it was checked.
type Peer struct {
	Address     net.Addr
	Certificate *x509.Certificate
}

type peerKey struct{}

// PeerFrom returns the peer that called the method to which ctx was given.
func PeerFrom(ctx context.Context) (Peer, bool) {
	p, ok := ctx.Value(peerKey{}).(Peer)
	return p, ok
}

// WithPeer returns a context for calling an implementation of a service in the same process, as a server
// would for this peer.
func WithPeer(ctx context.Context, p Peer) context.Context {
	return context.WithValue(ctx, peerKey{}, p)
}

// Service is a named set of methods. Names are matched in any case.
type Service struct {
	// Name is the contract's on the wire, as in "IScriptServiceV2".
	Name string
	// Methods have distinct names; there is no overloading.
	Methods []Method
}

// Method is one method of a service, made by Method0, Method1, Method2 or Action1. The context that it gets
// holds the Peer and ends when the peer goes away, or at the deadline of Server.Shutdown. It may be called
// concurrently.
type Method struct {
	name   string
	params []reflect.Type
	invoke func(ctx context.Context, args []reflect.Value) (any, error)
}

// Name returns the method's name on the wire.
func (m Method) Name() string { return m.name }

// Method0 is a method without parameters.
func Method0[R any](name string, f func(context.Context) (R, error)) Method {
	return Method{name: name, invoke: func(ctx context.Context, _ []reflect.Value) (any, error) {
		return f(ctx)
	}}
}

// Method1 is a method with one parameter: a Typed struct, a string, bool, number, GUID or TimeSpan, or a
// *DataStream (nil when the peer sent null). The result is of the same kinds.
func Method1[P, R any](name string, f func(context.Context, P) (R, error)) Method {
	return Method{
		name:   name,
		params: []reflect.Type{reflect.TypeFor[P]()},
		invoke: func(ctx context.Context, args []reflect.Value) (any, error) {
			return f(ctx, args[0].Interface().(P))
		},
	}
}

// Method2 is a method with two parameters, as in Method1.
func Method2[P1, P2, R any](name string, f func(context.Context, P1, P2) (R, error)) Method {
	return Method{
		name:   name,
		params: []reflect.Type{reflect.TypeFor[P1](), reflect.TypeFor[P2]()},
		invoke: func(ctx context.Context, args []reflect.Value) (any, error) {
			p1, p2 := args[0].Interface().(P1), args[1].Interface().(P2)
			return f(ctx, p1, p2)
		},
	}
}

// Action1 is a method with one parameter and without a result.
func Action1[P any](name string, f func(context.Context, P) error) Method {
	return Method{
		name:   name,
		params: []reflect.Type{reflect.TypeFor[P]()},
		invoke: func(ctx context.Context, args []reflect.Value) (any, error) {
			return nil, f(ctx, args[0].Interface().(P))
		},
	}
}

// find looks a service up, then a method of it.
func find(services []Service, service, method string) (*Service, *Method) {
	for i := range services {
		if !strings.EqualFold(services[i].Name, service) {
			continue
		}
		for j := range services[i].Methods {
			if strings.EqualFold(services[i].Methods[j].name, method) {
				return &services[i], &services[i].Methods[j]
			}
		}
		return &services[i], nil
	}
	return nil, nil
}
