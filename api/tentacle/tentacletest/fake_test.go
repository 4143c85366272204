package tentacletest

import (
	"testing"

	"github.com/mantledeploy/mantle/api/halibut"
)

func TestFakeConforms(t *testing.T) {
	Run(t, func(t *testing.T) Subject {
		var s Subject
		var trusted []halibut.Thumbprint
		for i, name := range [...]string{"Operator A", "Operator B"} {
			c, thumbprint := NewCertificate(t, name)
			s.Operators[i] = c
			trusted = append(trusted, thumbprint)
		}
		s.Endpoint = StartFake(t, Options{Trusted: trusted}).Endpoint()
		return s
	})
}

func TestFakePlaysItsPartInTheRecordings(t *testing.T) {
	PlayRecordings(t, func(t *testing.T, trusted halibut.Thumbprint) Listener {
		f := StartFake(t, Options{Trusted: []halibut.Thumbprint{trusted}})
		return Listener{Address: f.Endpoint().Address, Home: fakeHome}
	})
}

// An Octopus Tentacle of the generation that was recorded says what it said.
func TestFakeOfOctopusPlaysItsPartInTheRecordings(t *testing.T) {
	PlayRecordings(t, func(t *testing.T, trusted halibut.Thumbprint) Listener {
		f := StartFake(t, Options{Trusted: []halibut.Thumbprint{trusted}, Generation: Octopus9})
		return Listener{Address: f.Endpoint().Address, Home: f.Home()}
	})
}

func TestFakeAnswersOddRequests(t *testing.T) {
	PlayOddRequests(t, func(t *testing.T, trusted halibut.Thumbprint) Listener {
		f := StartFake(t, Options{Trusted: []halibut.Thumbprint{trusted}})
		return Listener{Address: f.Endpoint().Address, Home: fakeHome}
	})
}
