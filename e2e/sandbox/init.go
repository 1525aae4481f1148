package sandbox

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// initialize is the life of process 1: it prepares the mounts, starts the body and collects every process that ends, its
// own child and orphans alike, until the body is gone.
func initialize() (int, error) {
	if err := prepareMounts(); err != nil {
		return 0, err
	}
	// Ctrl-C reaches the body directly, through the terminal's process group; everything else comes through the caller.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)

	body, err := again(stageBody, inherited())
	if err != nil {
		return 0, err
	}
	// Ordinary users often lack the directories of the tools that root uses, and here they are root.
	body.Env = append(body.Env, "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	if err := body.Start(); err != nil {
		return 0, fmt.Errorf("sandbox: failed to start the body: %w", err)
	}
	go func() {
		for s := range signals {
			if s != os.Interrupt {
				_ = body.Process.Signal(s) // unless it has ended, which the loop below sees
			}
		}
	}()
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, fmt.Errorf("sandbox: failed to wait for the body: %w", err)
		case pid == body.Process.Pid && status.Signaled():
			return 128 + int(status.Signal()), nil
		case pid == body.Process.Pid && status.Exited():
			return status.ExitStatus(), nil
		}
	}
}

// prepareMounts cuts the mount tree off from the host's and replaces what would show or change the host: /proc of the new
// process namespace, /sys of the new network namespace, and an empty /run for state (so that it vanishes with the sandbox).
func prepareMounts() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("sandbox: failed to make mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("sandbox: failed to mount /proc: %w", err)
	}
	if err := unix.Mount("sysfs", "/sys", "sysfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC|unix.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("sandbox: failed to mount /sys: %w", err)
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", unix.MS_NODEV, "mode=0755"); err != nil {
		return fmt.Errorf("sandbox: failed to mount /run: %w", err)
	}
	return nil
}

// inherited returns the files the caller handed over: descriptors 3 and up, without gaps, that survived the exec.
func inherited() []*os.File {
	var files []*os.File
	for fd := 3; ; fd++ {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC != 0 {
			return files
		}
		files = append(files, os.NewFile(uintptr(fd), fmt.Sprintf("inherited-%d", fd)))
	}
}
