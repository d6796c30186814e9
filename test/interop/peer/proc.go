package peer

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Usage is what a process used since it began.
type Usage struct {
	CPU     time.Duration // user and system
	Written int64         // bytes handed to the disk (write_bytes of /proc/PID/io)
	PeakRSS int64         // bytes (VmHWM); 0 where many processes are counted
}

// Sub returns what was used since before; the peak is that of the whole life.
func (u Usage) Sub(before Usage) Usage {
	return Usage{u.CPU - before.CPU, u.Written - before.Written, u.PeakRSS}
}

// clockTick is USER_HZ, which is 100 on every Linux that Go runs on.
const clockTick = 10 * time.Millisecond

// ProcessUsage reads what one process has used, without its children.
func ProcessUsage(pid int) (Usage, error) {
	ticks, err := stat(pid)
	if err != nil {
		return Usage{}, err
	}
	u := Usage{CPU: time.Duration(ticks[0]+ticks[1]) * clockTick, Written: written(pid)}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	u.PeakRSS = 1024 * number(string(status), "VmHWM:")
	return u, err
}

// RSS is the bytes of memory that a process has now; 0 if it has ended.
func RSS(pid int) int64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return 1024 * number(string(status), "VmRSS:")
}

// TreeUsage reads what a process, its living descendants, and those that it
// has waited for have used: a daemon that works by short-lived children. Their
// CPU and their writes are added to the parent by the kernel as it waits.
func TreeUsage(pid int) (Usage, error) {
	ticks, err := stat(pid)
	if err != nil {
		return Usage{}, err
	}
	u := Usage{CPU: time.Duration(ticks[0]+ticks[1]+ticks[2]+ticks[3]) * clockTick, Written: written(pid)}
	for _, child := range children(pid) {
		if c, err := TreeUsage(child); err == nil {
			u.CPU += c.CPU
			u.Written += c.Written
		}
	}
	return u, nil
}

// stat returns utime, stime, cutime and cstime of /proc/PID/stat, in ticks.
func stat(pid int) (ticks [4]int64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ticks, err
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	for i := range ticks {
		if ticks[i], err = strconv.ParseInt(f[11+i], 10, 64); err != nil {
			return ticks, err
		}
	}
	return ticks, nil
}

func written(pid int) int64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	return number("\n"+string(b), "\nwrite_bytes:")
}

// number finds the number that follows a key.
func number(text, key string) int64 {
	_, rest, found := strings.Cut(text, key)
	if f := strings.Fields(rest); found && len(f) > 0 {
		n, _ := strconv.ParseInt(f[0], 10, 64)
		return n
	}
	return 0
}

func children(pid int) []int {
	var pids []int
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, task := range tasks {
		b, _ := os.ReadFile(task)
		for _, f := range strings.Fields(string(b)) {
			if n, err := strconv.Atoi(f); err == nil {
				pids = append(pids, n)
			}
		}
	}
	return pids
}
