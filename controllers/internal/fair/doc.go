// Package fair shares the workers of controllers between namespaces, so that a tenant who fills a controller's queue
// does not delay the others.
//
// Namespaces with requests take turns, and the requests of one namespace use at most half of the workers (at least one)
// at once. So with two workers or more, a namespace with any number of requests delays the first request of another by
// at most the reconciles that its half of the workers has begun. A reconcile has a deadline.
//
// While several namespaces have requests, a worker pauses after a reconcile, for three times its duration and at most
// 250 ms: otherwise reconciles that only compute would leave no CPU time to others. Other workers can reconcile the same
// object meanwhile.
//
// Finding the requests for an event can be fair too: see Mapped.
package fair
