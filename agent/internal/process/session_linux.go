package process

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// bootID identifies this run of the machine; in a container also its processes' own numbering, which ends
// with it.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	space, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		space = ""
	}
	return strings.TrimSpace(string(id)) + " " + space
}

// startTime tells processes of the same number apart; empty where there is no such process.
func startTime(pid int) string {
	fields := stat(pid)
	if len(fields) < 20 {
		return ""
	}
	return fields[19]
}

// stat returns the fields of /proc/PID/stat from the third on, the state.
func stat(pid int) []string {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil
	}
	text := string(data)
	return strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
}

// sessionProcesses returns the living processes of a session without this one. A dead one that nobody has
// asked after is not living.
func sessionProcesses(session int) []int {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil
	}
	var ids []int
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == os.Getpid() {
			continue
		}
		if sid, err := unix.Getsid(pid); err != nil || sid != session {
			continue
		}
		if fields := stat(pid); len(fields) > 4 && fields[0] != "Z" && fields[0] != "X" && fields[3] == strconv.Itoa(session) {
			ids = append(ids, pid)
		}
	}
	return ids
}

func reserve(file *os.File, size int64) error {
	err := unix.Fallocate(int(file.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, size) // #nosec G115 -- descriptors are small
	if err == nil {
		return nil
	}
	_, err = file.WriteAt(make([]byte, size), 0) // a file system that cannot do it otherwise
	return err
}
