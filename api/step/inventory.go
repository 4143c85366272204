package step

import (
	"encoding/json"
	"fmt"
	"time"
)

// The phases of what is installed, as far as a machine's own journal can tell.
const (
	// Succeeded: the newest run has a row marked final that ended well, and none that failed.
	Succeeded = "Succeeded"
	// Incomplete: the newest run failed, or has not come to its end.
	Incomplete = "Incomplete"
)

// The most rows of an inventory.
const (
	MaxInstalled = 64
	MaxContents  = 500
)

// Inventory is what a machine tells of itself.
type Inventory struct {
	// Installed has one row for each namespace, environment and project; at most MaxInstalled, newest first.
	Installed []Installed
	// Contents are the digests of the contents that the machine holds complete; at most MaxContents.
	Contents []string
	// FreeBytes is the free space where packages are unpacked.
	FreeBytes int64
	// OS and Arch are Go's names: linux, windows, darwin; amd64, arm64.
	OS   string
	Arch string
}

// Installed is what the newest run of a project in an environment left on the machine.
type Installed struct {
	Namespace   string    `json:"namespace"`
	Environment string    `json:"environment"`
	Project     string    `json:"project"`
	Release     string    `json:"release"`
	Snapshot    string    `json:"snapshot"`
	Run         string    `json:"run"`
	RunUID      string    `json:"runUID"`
	Phase       string    `json:"phase"`
	Time        time.Time `json:"time"`
}

// valid holds a row that a machine gave to the bounds of a plan.
func (i Installed) valid() bool {
	for _, s := range []string{i.Namespace, i.Environment, i.Project} {
		if CheckSegment(s) != nil {
			return false
		}
	}
	for _, s := range []string{i.Release, i.Snapshot, i.Run, i.RunUID} {
		if len(s) > MaxNameSize {
			return false
		}
	}
	return i.Phase == Succeeded || i.Phase == Incomplete
}

type machineRow struct {
	FreeBytes int64  `json:"freeBytes"`
	OS        string `json:"os"`
	Arch      string `json:"arch"`
}

func (r machineRow) valid() bool {
	return isWord(r.OS+r.Arch, "") && len(r.OS+r.Arch) <= MaxReason
}

// FormatInventory is an inventory as lines, one for each row, the machine's own last. Rows over the
// bounds are left out.
func FormatInventory(nonce string, inv Inventory) ([]string, error) {
	var lines []string
	add := func(name string, row any) error {
		body, err := json.Marshal(row)
		if err != nil {
			return fmt.Errorf("encoding the inventory: %w", err)
		}
		lines = append(lines, message{name, []attribute{{"nonce", nonce}, {"body", string(body)}}}.format(mantlePrefix))
		return nil
	}
	for _, row := range inv.Installed[:min(len(inv.Installed), MaxInstalled)] {
		if err := add("installed", row); err != nil {
			return nil, err
		}
	}
	for _, sum := range inv.Contents[:min(len(inv.Contents), MaxContents)] {
		if err := add("content", sum); err != nil {
			return nil, err
		}
	}
	if err := add("machine", machineRow{inv.FreeBytes, inv.OS, inv.Arch}); err != nil {
		return nil, err
	}
	return lines, nil
}
