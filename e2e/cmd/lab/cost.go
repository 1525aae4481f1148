package main

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/clarion-lb/clarion/e2e/lab"
)

// cost is what processes have used since they started.
type cost struct {
	cpu time.Duration // of all together
	rss int           // kB, the most that any has had resident
}

// since is what has been used since then. Peaks do not go down.
func (c cost) since(then cost) cost { return cost{cpu: c.cpu - then.cpu, rss: c.rss} }

// cost returns what the controllers that run have used. A process that is just ending has used nothing.
func (b *allocationBench) cost() cost {
	var sum cost
	for _, node := range b.lab.Nodes() {
		processes, err := node.Processes(lab.ControllerPods)
		if err != nil {
			continue // the node is dead
		}
		for _, p := range processes {
			sum.cpu += cpuOf(p.PID)
			sum.rss = max(sum.rss, memoryOf(p.PID, "VmHWM"))
		}
	}
	return sum
}

// cpuOf reads the CPU time of a process: fields 14 and 15 of /proc/PID/stat, in hundredths of a second (proc_pid_stat(5)).
func cpuOf(pid int) time.Duration {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:])) // from the third on; the second may hold anything
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// memoryOf reads a size from /proc/PID/status, in kB: VmRSS is resident, VmHWM the most that ever was (proc_pid_status(5)).
func memoryOf(pid int, name string) int {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			size, _ := strconv.Atoi(strings.Fields(value)[0])
			return size
		}
	}
	return 0
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
