package box

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// CloneFlags are the namespaces that the process which calls Run must have been started in: its own process numbers, mounts,
// host name and System V objects. The network is joined by Run, since Pods share it.
const CloneFlags = unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC

// Run turns the calling process into the container's. It returns only if that failed.
func Run(spec Spec) error {
	// Namespace, root directory, user and capabilities belong to a thread until execve makes it the only one.
	runtime.LockOSThread()
	if len(spec.Args) == 0 {
		return fmt.Errorf("box: no program to run")
	}
	if err := joinNetwork(spec.NetworkNamespace); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(spec.Hostname)); err != nil {
		return fmt.Errorf("box: failed to set the host name: %w", err)
	}
	if err := enterRoot(spec); err != nil {
		return err
	}
	program, err := lookUp(spec)
	if err != nil {
		return err
	}
	if err := dropPrivileges(spec); err != nil {
		return err
	}
	err = unix.Exec(program, spec.Args, spec.Env)
	return fmt.Errorf("box: failed to execute %s: %w", program, err)
}

func joinNetwork(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("box: failed to open the network namespace: %w", err)
	}
	defer file.Close() //nolint:errcheck // it was only read from
	if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("box: failed to join the network namespace: %w", err)
	}
	return nil
}

// lookUp finds the program as execvp would, now that the root is the container's.
func lookUp(spec Spec) (string, error) {
	name := spec.Args[0]
	if !strings.Contains(name, "/") {
		for _, entry := range spec.Env {
			path, ok := strings.CutPrefix(entry, "PATH=")
			if !ok {
				continue
			}
			if err := os.Setenv("PATH", path); err != nil {
				return "", fmt.Errorf("box: bad PATH: %w", err)
			}
		}
	}
	program, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("box: no program %s in the image: %w", name, err)
	}
	dir := spec.Dir
	if dir == "" {
		dir = "/"
	}
	if err := syscall.Chdir(dir); err != nil {
		return "", fmt.Errorf("box: failed to enter the working directory %s: %w", dir, err)
	}
	return program, nil
}
