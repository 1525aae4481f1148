package artifacts

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/term"
)

// kubeVersion is what the control plane says it is: the version of k8s.io/kubernetes in go.mod.
const kubeVersion = "v1.36.3"

// buildKube compiles cmd/kube, at low priority since it takes minutes, and shows how far it is.
func buildKube(ctx context.Context, set Set, out io.Writer) error {
	if err := os.MkdirAll(filepath.Dir(set.Kube), 0o755); err != nil {
		return fmt.Errorf("artifacts: failed to make the cache: %w", err)
	}
	module := filepath.Join(set.Root, "e2e")
	show := newProgress(out)
	show.say("building Kubernetes " + kubeVersion + " from source; this happens once and takes about five minutes on two cores")
	total, err := countPackages(ctx, module)
	if err != nil {
		return err
	}
	version := "-X k8s.io/component-base/version.gitVersion=" + kubeVersion + " -X k8s.io/client-go/pkg/version.gitVersion=" + kubeVersion
	// Built under another name and renamed, so that an interrupted build is not mistaken for a finished one.
	unfinished := set.Kube + ".unfinished"
	// Not -trimpath: tests of this module, which are not built with it, share what is compiled here.
	cmd := exec.CommandContext(ctx, "nice", "go", "build", "-v", "-tags=kube", "-buildvcs=false", "-ldflags", "-s -w "+version, "-o", unfinished, "./cmd/kube")
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	output, err := cmd.StderrPipe()
	if err != nil {
		return fmt.Errorf("artifacts: failed to build Kubernetes: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("artifacts: failed to build Kubernetes: %w", err)
	}
	var last []string // of the output, in case the build fails
	built := 0
	for lines := bufio.NewScanner(output); lines.Scan(); {
		last = append(last[max(0, len(last)-20):], lines.Text())
		built++
		show.count(built, total)
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("artifacts: failed to build Kubernetes: %w\n%s", err, strings.Join(last, "\n"))
	}
	if err := os.Rename(unfinished, set.Kube); err != nil {
		return fmt.Errorf("artifacts: failed to build Kubernetes: %w", err)
	}
	show.done()
	return nil
}

func countPackages(ctx context.Context, module string) (int, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-tags=kube", "./cmd/kube")
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	list, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("artifacts: failed to list the packages of Kubernetes: %w", err)
	}
	return strings.Count(string(list), "\n"), nil
}

// progress shows a growing number: in place on a terminal, as a line now and then elsewhere.
type progress struct {
	out      io.Writer
	terminal bool
	start    time.Time
	shown    time.Time
}

func newProgress(out io.Writer) *progress {
	file, ok := out.(*os.File)
	return &progress{out: out, terminal: ok && term.IsTerminal(int(file.Fd())), start: time.Now()}
}

func (p *progress) say(line string) { p.write(line + "\n") }

// write shows text; a terminal that has gone away is no reason to stop building.
func (p *progress) write(text string) { _, _ = io.WriteString(p.out, text) }

func (p *progress) count(n, total int) {
	pause, before, after := 15*time.Second, "", "\n"
	if p.terminal {
		pause, before, after = 200*time.Millisecond, "\r", "\x1b[K"
	}
	step := fmt.Sprintf("%d of %d packages", n, total)
	if n >= total-1 { // only the program itself is left
		step, pause = "linking", 0
	}
	if time.Since(p.shown) < pause {
		return
	}
	p.shown = time.Now()
	p.write(fmt.Sprintf("%s  %s, %s%s", before, step, time.Since(p.start).Round(time.Second), after))
}

func (p *progress) done() {
	if p.terminal {
		p.write("\r\x1b[K")
	}
	p.say("built Kubernetes in " + time.Since(p.start).Round(time.Second).String())
}
