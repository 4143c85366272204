// Package fair keeps tenants from slowing each other: whoever has rights in a namespace can fill a controller's queue.
//
// The namespaces that have something to do are served in turn, and the requests of one take at most half of the workers
// at once, at least one. With two workers or more, a namespace with any number of requests so delays the first request of
// another by at most the passes that its half of the workers has begun. A pass has a deadline.
//
// While several namespaces have requests, a worker rests after a pass, three times as long as that took and at most 50 ms:
// passes that only compute would leave the others no time.
//
// What finds the requests for an event is fair, too, where it has to look for them: see Mapped.
package fair
