package desired

import (
	"slices"
	"testing"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

func TestWhichReleaseTargetsRun(t *testing.T) {
	const ok, failed, incomplete = v1alpha1.InstalledSucceeded, v1alpha1.InstalledFailed, v1alpha1.InstalledIncomplete
	row := func(release string, phase v1alpha1.InstalledPhase) v1alpha1.InstalledRelease {
		return v1alpha1.InstalledRelease{Release: release, Phase: phase}
	}
	for name, tt := range map[string]struct {
		rows                []v1alpha1.InstalledRelease
		most, count, others string
	}{
		"nothing":                         {nil, "", "0/0", ""},
		"all the same":                    {[]v1alpha1.InstalledRelease{row("1.0.0", ok), row("1.0.0", ok)}, "1.0.0", "2/2", ""},
		"most have the older":             {[]v1alpha1.InstalledRelease{row("1.10.0", ok), row("1.9.0", ok), row("1.9.0", ok)}, "1.9.0", "2/3", "1.10.0 1"},
		"a tie goes to the newer":         {[]v1alpha1.InstalledRelease{row("1.9.0", ok), row("1.10.0", ok)}, "1.10.0", "1/2", "1.9.0 1"},
		"what failed is no version":       {[]v1alpha1.InstalledRelease{row("1.4.0", failed)}, "", "0/1", "1 failed"},
		"one failed, one is half there":   {[]v1alpha1.InstalledRelease{row("1.3.0", ok), row("1.4.0", failed), row("1.4.0", incomplete)}, "1.3.0", "1/3", "1 failed, 1 incomplete"},
		"more releases than a column has": {[]v1alpha1.InstalledRelease{row("1.0.0", ok), row("2.0.0", ok), row("3.0.0", ok), row("4.0.0", ok), row("5.0.0", ok), row("6.0.0", failed)}, "5.0.0", "1/6", "4.0.0 1, 3.0.0 1, 2.0.0 1, 1 of others, 1 failed"},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 { // in whatever order they come
				var r Releases
				for i := range tt.rows {
					r.Add(&tt.rows[i])
				}
				if most, count, others := r.Most(); most != tt.most || count != tt.count || others != tt.others {
					t.Errorf("%q %q (%q), want %q %q (%q)", most, count, others, tt.most, tt.count, tt.others)
				}
				slices.Reverse(tt.rows)
			}
		})
	}
}
