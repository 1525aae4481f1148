package artifacts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Set is where the programs are.
type Set struct {
	Root       string // of the repository
	Kube       string // cmd/kube
	Box        string // cmd/box
	Controller string // of the product; "" if the repository has none
	Speaker    string // of the product; "" if the repository has none
}

// Options say how to build.
type Options struct {
	// Progress receives a line now and then while something takes long. nil means nobody wants to know.
	Progress io.Writer
}

// Build makes every program that is missing or out of date. Callers in several processes at once wait for each other.
func Build(ctx context.Context, options Options) (Set, error) {
	set, err := Locate()
	if err != nil {
		return Set{}, err
	}
	if options.Progress == nil {
		options.Progress = io.Discard
	}
	unlock, err := lock(filepath.Join(set.Root, ".cache"))
	if err != nil {
		return Set{}, err
	}
	defer unlock()
	if _, err := os.Stat(set.Kube); errors.Is(err, fs.ErrNotExist) {
		if err := buildKube(ctx, set, options.Progress); err != nil {
			return Set{}, err
		}
	}
	if err := compile(ctx, filepath.Join(set.Root, "e2e"), set.Box, "./cmd/box"); err != nil {
		return Set{}, err
	}
	for program, source := range map[string]string{set.Controller: "./cmd/controller", set.Speaker: "./cmd/speaker"} {
		if program == "" {
			continue
		}
		if err := compile(ctx, set.Root, program, source); err != nil {
			return Set{}, err
		}
	}
	return set, nil
}

// Locate says where Build puts the programs, without building any.
func Locate() (Set, error) {
	root, err := findRoot()
	if err != nil {
		return Set{}, err
	}
	key, err := kubeKey(root)
	if err != nil {
		return Set{}, err
	}
	cache := filepath.Join(root, ".cache")
	set := Set{Root: root, Kube: filepath.Join(cache, "kube", key, "kube"), Box: filepath.Join(cache, "bin", "box")}
	if hasMain(root, "controller") {
		set.Controller = filepath.Join(cache, "bin", "controller")
	}
	if hasMain(root, "speaker") {
		set.Speaker = filepath.Join(cache, "bin", "speaker")
	}
	return set, nil
}

// findRoot looks upwards from the working directory for the repository: the directory that holds this module as e2e.
func findRoot() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("artifacts: failed to find the repository: %w", err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "e2e", "cmd", "kube", "main.go")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("artifacts: %s is not inside the Clarion repository", start)
		}
	}
}

func hasMain(root, command string) bool {
	_, err := os.Stat(filepath.Join(root, "cmd", command, "main.go"))
	return err == nil
}

// kubeKey changes with everything that decides what cmd/kube is built from: its sources, its dependencies, the compiler.
func kubeKey(root string) (string, error) {
	hash := sha256.New()
	hash.Write(fmt.Appendln(nil, runtime.Version(), runtime.GOARCH)) // a hash never fails
	sources, err := filepath.Glob(filepath.Join(root, "e2e", "cmd", "kube", "*.go"))
	if err != nil {
		return "", fmt.Errorf("artifacts: %w", err)
	}
	for _, path := range append(sources, filepath.Join(root, "e2e", "go.mod")) {
		data, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("artifacts: %w", err)
		}
		hash.Write(fmt.Appendln(nil, filepath.Base(path), len(data)))
		hash.Write(data)
	}
	return hex.EncodeToString(hash.Sum(nil))[:12], nil
}

// compile builds one small program. The go command knows whether there is anything to do.
func compile(ctx context.Context, dir, program, source string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", program, source)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("artifacts: failed to build %s: %w: %s", source, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// lock takes the cache directory for this process.
func lock(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("artifacts: failed to make the cache: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("artifacts: failed to lock the cache: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("artifacts: failed to lock the cache: %w", err), file.Close())
	}
	return func() { _ = file.Close() }, nil // which cannot fail to unlock
}
