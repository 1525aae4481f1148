package box

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// staging is where the new root is put together; each container has its own mount namespace, so all may use the same place.
const staging = "/run/box"

// enterRoot builds the container's file system and makes it the root of this thread's mount namespace.
func enterRoot(spec Spec) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("box: failed to make mounts private: %w", err)
	}
	if err := os.MkdirAll(staging, 0o755); err != nil {
		return fmt.Errorf("box: failed to make a root: %w", err)
	}
	if err := unix.Mount("tmpfs", staging, "tmpfs", unix.MS_NODEV, "mode=0755"); err != nil {
		return fmt.Errorf("box: failed to mount a root: %w", err)
	}
	if err := systemMounts(); err != nil {
		return err
	}
	for _, file := range spec.Files {
		// The image's own files keep the capabilities stored with them; nosuid would take those away.
		if err := bind(Mount{Path: file.Path, Source: file.Source, ReadOnly: true}, 0); err != nil {
			return err
		}
	}
	for _, mount := range spec.Mounts {
		if err := bind(mount, unix.MS_NOSUID); err != nil {
			return err
		}
	}
	// pivot_root with the same directory twice stacks the old root on the new one, from where it is detached.
	if err := os.Chdir(staging); err != nil {
		return fmt.Errorf("box: failed to enter the root: %w", err)
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("box: failed to change the root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("box: failed to let go of the old root: %w", err)
	}
	if spec.ReadOnly {
		if err := unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NODEV, ""); err != nil {
			return fmt.Errorf("box: failed to make the root read-only: %w", err)
		}
	}
	return nil
}

// systemMounts adds what a container finds besides its image: /proc, /sys of its network, a handful of devices and the
// name service files that kubelets write.
func systemMounts() error {
	for _, dir := range []string{"proc", "sys", "dev", "etc", "tmp"} {
		if err := os.MkdirAll(filepath.Join(staging, dir), 0o755); err != nil {
			return fmt.Errorf("box: failed to make a root: %w", err)
		}
	}
	if err := os.Chmod(filepath.Join(staging, "tmp"), 0o1777); err != nil {
		return fmt.Errorf("box: failed to make a root: %w", err)
	}
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := unix.Mount("proc", filepath.Join(staging, "proc"), "proc", flags, ""); err != nil {
		return fmt.Errorf("box: failed to mount /proc: %w", err)
	}
	if err := unix.Mount("sysfs", filepath.Join(staging, "sys"), "sysfs", flags|unix.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("box: failed to mount /sys: %w", err)
	}
	for _, device := range []string{"/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"} {
		if err := bind(Mount{Path: device, Source: device}, 0); err != nil {
			return err
		}
	}
	hosts := "127.0.0.1 localhost\n::1 localhost\n"
	if err := os.WriteFile(filepath.Join(staging, "etc/hosts"), []byte(hosts), 0o644); err != nil {
		return fmt.Errorf("box: failed to write /etc/hosts: %w", err)
	}
	return nil
}

// bind mounts a file or directory into the root that is being built.
func bind(m Mount, flags uintptr) error {
	info, err := os.Stat(m.Source)
	if err != nil {
		return fmt.Errorf("box: failed to mount %s: %w", m.Path, err)
	}
	target := filepath.Join(staging, m.Path)
	if info.IsDir() {
		err = os.MkdirAll(target, 0o755)
	} else {
		err = touch(target)
	}
	if err == nil {
		err = unix.Mount(m.Source, target, "", unix.MS_BIND, "")
	}
	if err == nil && (m.ReadOnly || flags != 0) {
		if m.ReadOnly {
			flags |= unix.MS_RDONLY
		}
		err = unix.Mount("", target, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_NODEV|flags, "")
	}
	if err != nil {
		return fmt.Errorf("box: failed to mount %s: %w", m.Path, err)
	}
	return nil
}

func touch(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	return file.Close()
}
