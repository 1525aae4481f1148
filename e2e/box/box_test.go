package box_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/clarion-lb/clarion/e2e/box"
	"github.com/clarion-lb/clarion/e2e/sandbox"
)

// The test binary plays the part of cmd/box when its first argument says so.
//
//nolint:forbidigo // it is the main function of the tests
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "run" {
		spec, err := box.Load(os.Args[2])
		if err == nil {
			err = box.Run(spec)
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(sandbox.Run(sandbox.Options{}, func(context.Context) int { return m.Run() }))
}

// run runs a shell script in a container made of the host's /bin, /lib and /usr, and returns what it wrote.
func run(t *testing.T, spec box.Spec, script string) string {
	t.Helper()
	spec.Args = []string{"/bin/sh", "-c", script}
	spec.Env = []string{"PATH=/usr/bin:/bin"}
	spec.Hostname = "box"
	spec.NetworkNamespace = "/proc/self/ns/net"
	for _, dir := range []string{"/bin", "/lib", "/lib64", "/usr"} {
		if _, err := os.Stat(dir); err == nil {
			spec.Mounts = append(spec.Mounts, box.Mount{Path: dir, Source: dir, ReadOnly: true})
		}
	}
	path := filepath.Join(t.TempDir(), "spec.json")
	if err := spec.Save(path); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "run", path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: box.CloneFlags}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestContainerSeesOnlyItself(t *testing.T) {
	t.Parallel()
	got := run(t, box.Spec{}, "echo $$ $(cat /proc/sys/kernel/hostname); ls /; ls /run 2>&1 | wc -l")
	if !strings.HasPrefix(got, "1 box\n") {
		t.Errorf("want process 1 on host box, got %q", got)
	}
	if strings.Contains(got, "home") || strings.Contains(got, "root\n") {
		t.Errorf("the host's root shows: %q", got)
	}
}

func TestReadOnlyRoot(t *testing.T) {
	t.Parallel()
	if got := run(t, box.Spec{ReadOnly: true}, "touch /x 2>/dev/null && echo written || echo refused"); got != "refused" {
		t.Errorf("write to a read-only root: %s", got)
	}
	if got := run(t, box.Spec{}, "touch /x && echo written"); got != "written" {
		t.Errorf("write to a writable root: %s", got)
	}
}

func TestPrivileges(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		spec box.Spec
		want string // effective set and bounding set, in hexadecimal as in /proc/self/status, and the no_new_privs bit
	}{
		"nothing":                   {box.Spec{}, "0 0 0"},
		"root with NET_RAW":         {box.Spec{Capabilities: []string{"NET_RAW"}, NoNewPrivileges: true}, "2000 2000 1"},
		"root with CAP_NET_ADMIN":   {box.Spec{Capabilities: []string{"CAP_NET_ADMIN"}}, "1000 1000 0"},
		"user without a file's":     {box.Spec{Capabilities: []string{"NET_RAW"}, UID: 65532, GID: 65532}, "0 2000 0"},
		"root with the default set": {box.Spec{Capabilities: box.DefaultCapabilities()}, "a80425fb a80425fb 0"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if users, _ := os.ReadFile("/proc/self/uid_map"); tt.spec.UID != 0 && strings.HasSuffix(string(users), " 1\n") {
				t.Skip("the sandbox of an ordinary user has one user only")
			}
			script := `while read key value; do case $key in CapEff:|CapBnd:|NoNewPrivs:) echo $value;; esac; done </proc/self/status`
			got := strings.Fields(run(t, tt.spec, script))
			for i := range got {
				got[i] = strings.TrimLeft(got[i], "0")
				if got[i] == "" {
					got[i] = "0"
				}
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got %s, want %s", strings.Join(got, " "), tt.want)
			}
		})
	}
}

func TestUnknownCapabilityIsRefused(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "spec.json")
	spec := box.Spec{
		Args: []string{"/x"}, Hostname: "box", NetworkNamespace: "/proc/self/ns/net", Capabilities: []string{"NET_RAWR"},
		Files: []box.File{{Path: "/x", Source: program}},
	}
	if err := spec.Save(path); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "run", path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: box.CloneFlags}
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), `unknown capability "NET_RAWR"`) {
		t.Errorf("got %v: %s", err, out)
	}
}
