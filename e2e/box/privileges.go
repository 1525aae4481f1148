package box

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// DefaultCapabilities returns what container runtimes grant when a Pod says nothing about capabilities.
func DefaultCapabilities() []string {
	return []string{
		"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW", "SETFCAP",
		"SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
	}
}

// dropPrivileges gives up everything the specification does not grant, in the order of runc: bounding set first, which needs
// SETPCAP; then the user, keeping capabilities across the change; then the sets themselves. What the program ends up with is
// decided by execve (capabilities(7)): root gets the granted set; any other user gets only what the executed file carries as
// file capabilities, within the granted set.
func dropPrivileges(spec Spec) error {
	granted, err := capabilityMask(spec.Capabilities)
	if err != nil {
		return err
	}
	for capability := range unix.CAP_LAST_CAP + 1 {
		if granted&(1<<capability) != 0 {
			continue
		}
		// EINVAL: the kernel is older than this list.
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(capability), 0, 0, 0); err != nil && err != unix.EINVAL {
			return fmt.Errorf("box: failed to drop capability %d: %w", capability, err)
		}
	}
	if err := becomeUser(spec); err != nil {
		return err
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	for i := range data {
		half := uint32(granted >> (32 * i))
		data[i] = unix.CapUserData{Effective: half, Permitted: half}
	}
	if err := unix.Capset(&header, &data[0]); err != nil {
		return fmt.Errorf("box: failed to set capabilities: %w", err)
	}
	if spec.NoNewPrivileges {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("box: failed to forbid new privileges: %w", err)
		}
	}
	return nil
}

func becomeUser(spec Spec) error {
	if spec.UID == 0 && spec.GID == 0 && len(spec.Groups) == 0 {
		return nil
	}
	if !mapped("/proc/self/uid_map", spec.UID) || !mapped("/proc/self/gid_map", spec.GID) {
		// A sandbox of an ordinary user holds only that user, known as root. Capabilities still apply; only the number differs.
		fmt.Fprintf(os.Stderr, "box: user %d does not exist in this sandbox, running as 0 with the same capabilities\n", spec.UID)
		return nil
	}
	if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("box: failed to keep capabilities: %w", err)
	}
	if err := unix.Setgroups(spec.Groups); err != nil {
		return fmt.Errorf("box: failed to set groups %v: %w", spec.Groups, err)
	}
	if err := unix.Setresgid(spec.GID, spec.GID, spec.GID); err != nil {
		return fmt.Errorf("box: failed to become group %d: %w", spec.GID, err)
	}
	if err := unix.Setresuid(spec.UID, spec.UID, spec.UID); err != nil {
		return fmt.Errorf("box: failed to become user %d: %w", spec.UID, err)
	}
	return nil
}

// mapped reports whether an ID exists in this user namespace.
func mapped(path string, id int) bool {
	data, err := os.ReadFile(path)
	if err != nil {
		return true // no user namespaces: every ID exists
	}
	for line := range strings.Lines(string(data)) {
		var inside, outside, size int
		if _, err := fmt.Sscan(line, &inside, &outside, &size); err == nil && id >= inside && id-inside < size {
			return true
		}
	}
	return false
}

// SetFileCapability lets whoever executes the file have a capability, permitted and effective, if the container grants it: what
// `setcap cap_NAME+ep FILE` does.
func SetFileCapability(path, name string) error {
	mask, err := capabilityMask([]string{name})
	if err != nil {
		return err
	}
	// struct vfs_cap_data of linux/capability.h, revision 2: version and flags, then permitted and inheritable, low and high halves.
	const revision2, effective = 0x02000000, 0x000001
	var data []byte
	for _, word := range []uint32{revision2 | effective, uint32(mask), 0, uint32(mask >> 32), 0} {
		data = binary.LittleEndian.AppendUint32(data, word)
	}
	if err := unix.Setxattr(path, "security.capability", data, 0); err != nil {
		return fmt.Errorf("box: failed to set a capability on %s: %w", path, err)
	}
	return nil
}

func capabilityMask(names []string) (uint64, error) {
	var mask uint64
	for _, name := range names {
		number, ok := capabilityNumber(strings.TrimPrefix(strings.ToUpper(name), "CAP_"))
		if !ok {
			return 0, fmt.Errorf("box: unknown capability %q", name)
		}
		mask |= number
	}
	return mask, nil
}

// capabilityNumber returns the bit of a capability, or all bits for ALL.
func capabilityNumber(name string) (uint64, bool) {
	// In the order of the kernel's numbers, capabilities(7) and linux/capability.h.
	names := []string{
		"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE",
		"NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT",
		"SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE",
		"AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ",
		"PERFMON", "BPF", "CHECKPOINT_RESTORE",
	}
	if name == "ALL" {
		return 1<<len(names) - 1, true
	}
	for number, known := range names {
		if name == known {
			return 1 << number, true
		}
	}
	return 0, false
}
