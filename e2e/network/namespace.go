package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// namespaceDirectory is where ip-netns(8) looks, so that `ip netns exec NAME` works inside the sandbox.
const namespaceDirectory = "/run/netns"

// Namespace is one network namespace, kept alive until Close.
type Namespace struct {
	name   string
	handle netns.NsHandle
	links  *netlink.Handle
}

// NewNamespace makes a network namespace known by name, with its loopback interface up.
func NewNamespace(name string) (*Namespace, error) {
	path := filepath.Join(namespaceDirectory, name)
	if err := pin(path); err != nil {
		return nil, fmt.Errorf("network: failed to make namespace %s: %w", name, err)
	}
	handle, err := netns.GetFromPath(path)
	if err != nil {
		return nil, fmt.Errorf("network: failed to open namespace %s: %w", name, err)
	}
	links, err := netlink.NewHandleAt(handle, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("network: failed to open netlink in namespace %s: %w", name, err)
	}
	n := &Namespace{name: name, handle: handle, links: links}
	if err := n.up("lo"); err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

// pin makes a namespace and holds it with a bind mount at path.
func pin(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return os.NewSyscallError("unshare", err)
		}
		return os.NewSyscallError("mount", unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, ""))
	})
}

// onThread runs fn on an operating system thread that fn may move to another network namespace.
func onThread(fn func() error) error {
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer home.Close() //nolint:errcheck // it only named where to return to
	result := fn()
	if err := netns.Set(home); err != nil {
		// Leaving the goroutine locked makes the runtime end the thread with it, instead of lending it, misplaced, to others.
		return errors.Join(result, err)
	}
	runtime.UnlockOSThread()
	return result
}

// Name returns the name the namespace was made with.
func (n *Namespace) Name() string { return n.name }

// Path returns a path that setns(2) and nsenter(1) accept.
func (n *Namespace) Path() string { return filepath.Join(namespaceDirectory, n.name) }

// Do runs fn on a thread inside the namespace. Sockets that fn opens stay there; goroutines that it starts do not.
func (n *Namespace) Do(fn func() error) error {
	return onThread(func() error {
		if err := netns.Set(n.handle); err != nil {
			return fmt.Errorf("network: failed to enter namespace %s: %w", n.name, err)
		}
		return fn()
	})
}

// DialContext is net.Dialer.DialContext from inside the namespace. The address must be an IP literal: a name would be
// resolved on other goroutines, and so elsewhere.
func (n *Namespace) DialContext(ctx context.Context, network, address string) (conn net.Conn, err error) {
	err = n.Do(func() (err error) {
		conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// Listen is net.Listen inside the namespace.
func (n *Namespace) Listen(ctx context.Context, network, address string) (listener net.Listener, err error) {
	err = n.Do(func() (err error) {
		listener, err = (&net.ListenConfig{}).Listen(ctx, network, address)
		return err
	})
	return listener, err
}

// Start starts the command inside the namespace.
func (n *Namespace) Start(cmd *exec.Cmd) error { return n.Do(cmd.Start) }

// Exec runs a command inside the namespace and returns its standard output; the error of a command that fails carries what it
// wrote to standard error.
func (n *Namespace) Exec(ctx context.Context, name string, args ...string) (string, error) {
	return n.exec(exec.CommandContext(ctx, name, args...))
}

func (n *Namespace) exec(cmd *exec.Cmd) (string, error) {
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// A command may leave children behind that keep its output open; they are not waited for, longer than a busy machine takes to
	// read what is there.
	cmd.WaitDelay = 5 * time.Second
	err := n.Start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		return stdout.String(), fmt.Errorf("network: %s: %s: %w: %s", n.name, strings.Join(cmd.Args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// Sysctl sets a network parameter, named as in sysctl(8): "net.ipv4.ip_forward".
func (n *Namespace) Sysctl(key, value string) error {
	// A dot inside an interface name would be ambiguous; no interface made here has one.
	path := filepath.Join("/proc/sys", strings.ReplaceAll(key, ".", "/"))
	err := n.Do(func() error { return os.WriteFile(path, []byte(value), 0o644) })
	if err != nil {
		return fmt.Errorf("network: failed to set %s in %s: %w", key, n.name, err)
	}
	return nil
}

func (n *Namespace) up(device string) error {
	link, err := n.links.LinkByName(device)
	if err == nil {
		err = n.links.LinkSetUp(link)
	}
	if err != nil {
		return fmt.Errorf("network: failed to bring up %s in %s: %w", device, n.name, err)
	}
	return nil
}

// Close lets go of the namespace. The kernel removes it, and every device in it, once no process and no socket is left there.
func (n *Namespace) Close() {
	n.links.Close()
	// Nothing useful can be done about a failure: the sandbox removes what is left.
	_ = n.handle.Close()
	_ = unix.Unmount(n.Path(), unix.MNT_DETACH)
	_ = os.Remove(n.Path())
}
