//go:build linux

package segment

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Main is the TestMain of a package that makes hosts. For a user who is not root
// the test binary runs again as root of a user namespace of its own.
func Main(m *testing.M) {
	if os.Geteuid() == 0 {
		m.Run()
		return
	}
	again := exec.CommandContext(context.Background(), "/proc/self/exe", os.Args[1:]...)
	again.Stdin, again.Stdout, again.Stderr = os.Stdin, os.Stdout, os.Stderr
	again.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	if err := again.Run(); err != nil {
		fmt.Fprintf(os.Stderr, "segment: failed to run the tests as root of a user namespace: %v\n"+
			"Run them as root, or allow user namespaces:\n"+
			"  sysctl -w kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0\n", err)
		os.Exit(1) //nolint:forbidigo // this is the main of a test binary
	}
}
