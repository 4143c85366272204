package v1alpha1

import "time"

// The defaults of a TargetPolicy, and of a target that names none.
const (
	DefaultHealthInterval = 5 * time.Minute
	DefaultHealthTimeout  = time.Minute
	DefaultConnectTimeout = 10 * time.Second
	DefaultRetryDuration  = time.Minute
)

// HealthInterval is the time between two health checks; zero means never.
func (p *TargetPolicy) HealthInterval() time.Duration {
	if p == nil || p.Spec.HealthCheck == nil || p.Spec.HealthCheck.Interval == nil {
		return DefaultHealthInterval
	}
	return p.Spec.HealthCheck.Interval.Duration
}

// HealthTimeout is how long the health script may take.
func (p *TargetPolicy) HealthTimeout() time.Duration {
	if p == nil || p.Spec.HealthCheck == nil || p.Spec.HealthCheck.Timeout == nil {
		return DefaultHealthTimeout
	}
	return p.Spec.HealthCheck.Timeout.Duration
}

// HealthType is how health is found out, Connectivity unless given.
func (p *TargetPolicy) HealthType() HealthCheckType {
	if p == nil || p.Spec.HealthCheck == nil || p.Spec.HealthCheck.Type == "" {
		return HealthCheckConnectivity
	}
	return p.Spec.HealthCheck.Type
}

// ConnectTimeout is how long one try to connect may take.
func (p *TargetPolicy) ConnectTimeout() time.Duration {
	if p == nil || p.Spec.Connection == nil || p.Spec.Connection.ConnectTimeout == nil {
		return DefaultConnectTimeout
	}
	return p.Spec.Connection.ConnectTimeout.Duration
}

// RetryDuration is how long a step is offered to a machine that does not answer.
func (p *TargetPolicy) RetryDuration() time.Duration {
	if p == nil || p.Spec.Connection == nil || p.Spec.Connection.RetryDuration == nil {
		return DefaultRetryDuration
	}
	return p.Spec.Connection.RetryDuration.Duration
}
