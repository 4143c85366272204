package doctor

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// listening is the state of a listening socket in /proc/net/tcp.
const listening = "0A"

// procHolders finds who listens on a port, by Linux's list of sockets and the open files of its processes.
func procHolders(root string, port uint16) ([]holder, error) {
	inodes := map[string]bool{}
	for _, name := range []string{"tcp", "tcp6"} {
		err := readSockets(filepath.Join(root, "proc/net", name), port, inodes)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // a machine may have one version of IP
			return nil, err
		}
	}
	if len(inodes) == 0 {
		return nil, nil
	}
	pids, err := filepath.Glob(filepath.Join(root, "proc/[0-9]*"))
	if err != nil {
		return nil, err
	}
	var all []holder
	for _, dir := range pids {
		if holds(dir, inodes) {
			pid, err := strconv.Atoi(filepath.Base(dir))
			if err != nil {
				continue
			}
			all = append(all, holder{pid, command(dir)})
		}
	}
	if len(all) == 0 {
		all = []holder{{}}
	}
	return all, nil
}

// readSockets adds the inodes of sockets that listen on port. A line is: number, local address, remote address,
// state, queues, timer, retransmits, user, timeout, inode.
func readSockets(path string, port uint16, inodes map[string]bool) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	suffix := fmt.Sprintf(":%04X", port)
	s := bufio.NewScanner(f)
	for s.Scan() {
		fields := strings.Fields(s.Text())
		if len(fields) > 9 && fields[3] == listening && strings.HasSuffix(fields[1], suffix) {
			inodes["socket:["+fields[9]+"]"] = true
		}
	}
	return s.Err()
}

func holds(dir string, inodes map[string]bool) bool {
	files, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil {
		return false // another user's, or it has ended
	}
	for _, f := range files {
		if target, err := os.Readlink(filepath.Join(dir, "fd", f.Name())); err == nil && inodes[target] {
			return true
		}
	}
	return false
}

func command(dir string) string {
	name, err := os.ReadFile(filepath.Join(dir, "comm"))
	if err != nil {
		return "a program"
	}
	return strconv.QuoteToGraphic(strings.TrimSpace(string(name)))
}
