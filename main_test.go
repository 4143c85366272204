package main

import (
	"bytes"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

func TestTheOperatorKnowsTheVersionOfItsBuild(t *testing.T) {
	version = "1.2.3" // as the build sets it
	var out bytes.Buffer
	if err := run([]string{"--version"}, &out); err != nil || out.String() != "1.2.3\n" {
		t.Errorf("--version prints %q, %v", out.String(), err)
	}
	if err := tellVersion(); err != nil {
		t.Fatal(err)
	}
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "mantle_build_info" {
			if got := f.GetMetric()[0].GetLabel()[0].GetValue(); got != "1.2.3" {
				t.Errorf("the metric says %q", got)
			}
			return
		}
	}
	t.Error("there is no metric mantle_build_info")
}
