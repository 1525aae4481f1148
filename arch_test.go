// Package clarion_test holds the laws of the repository: what no single
// package can check about itself.
package clarion_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/clarion-lb/clarion/"

// imports is the dependency law of this module: the non-test files of a
// package may import the module's own packages listed here and no others. A
// package absent from the table fails, so adding one is a decision.
var imports = map[string][]string{
	"api/v1beta1":        {"api/v1beta2"}, // the types both versions of BGPPeer share
	"api/v1beta2":        {},
	"config":             {"api/v1beta1", "api/v1beta2", "bgp", "bgp/bfd"},
	"allocator":          {"config"},
	"layer2":             {},
	"layer2/wire":        {"layer2"},
	"bgp":                {},
	"bgp/bfd/socket":     {"bgp/bfd"},
	"bgp/bfd":            {},
	"bgp/gobgp":          {"bgp"},
	"bgp/unnumbered":     {},
	"speaker/announce":   {"bgp", "bgp/bfd", "config", "layer2"},
	"speaker":            {"bgp", "bgp/bfd", "config", "layer2", "speaker/announce"},
	"internal/kube":      {"allocator", "api/v1beta1", "api/v1beta2", "config", "speaker/announce"},
	"internal/heartbeat": {},
	"internal/link":      {},
	"internal/members":   {},
	"internal/mounted":   {},
	"internal/metrics":   {"allocator", "bgp", "bgp/bfd", "layer2", "speaker/announce"},
	"internal/pitfalls":  {"config", "speaker/announce"},
	"internal/segment":   {}, // for tests: no package of the product may import it
}

// owners names the only packages which may import each heavy library.
var owners = map[string][]string{
	"github.com/fsnotify/fsnotify":              {"internal/mounted"},
	"github.com/hashicorp/memberlist":           {"internal/members"},
	"github.com/mdlayher":                       {"bgp/unnumbered", "layer2/wire"},
	"github.com/osrg/gobgp":                     {"bgp/gobgp"},
	"github.com/prometheus/client_golang":       {"internal/metrics"},
	"github.com/vishvananda/netlink":            {"internal/link", "internal/segment"},
	"k8s.io/client-go":                          {"internal/kube"},
	"sigs.k8s.io/controller-runtime":            {"internal/kube"},
	"sigs.k8s.io/controller-runtime/pkg/scheme": {"api/v1beta1", "api/v1beta2", "internal/kube"},
}

// modules are directories with a go.mod of their own: tools and tests whose
// dependencies stay out of the product's.
var modules = []string{"e2e", "deploy/image"}

// TestImportDirections reads the files itself rather than asking go list: the
// test cache records the files a test opens, but not those a child opens.
func TestImportDirections(t *testing.T) {
	t.Parallel()

	walkGo(t, func(pkg, file string) {
		if strings.HasPrefix(pkg, "cmd/") || strings.HasSuffix(file, "_test.go") {
			return
		}
		allowed, ok := imports[pkg]
		if !ok {
			t.Errorf("%s is not in the import table", pkg)
		}
		for _, imp := range importsOf(t, file) {
			if dep, ok := strings.CutPrefix(imp, module); ok && !slices.Contains(allowed, dep) {
				t.Errorf("%s: %s must not import %s", file, pkg, dep)
			}
			if only := homes(imp); only != nil && !slices.Contains(only, pkg) {
				t.Errorf("%s: only %v may import %s", file, only, imp)
			}
		}
	})
}

// TestEveryPackageOpensWithItsSentence asks for a doc.go whose first words
// are the package's own name, as in "Package layer2 answers ARP".
func TestEveryPackageOpensWithItsSentence(t *testing.T) {
	t.Parallel()

	for pkg := range imports {
		file := filepath.Join(filepath.FromSlash(pkg), "doc.go")
		src, err := os.ReadFile(file)
		if err != nil {
			t.Errorf("package %s has no doc.go: %v", pkg, err)
			continue
		}
		if want := "Package " + path.Base(pkg) + " "; !strings.Contains(string(src), want) {
			t.Errorf("%s does not open with %q", file, want)
		}
	}
}

// TestCommandsStaySmall keeps decisions out of package main: flags, signals
// and wiring fit in 150 lines.
func TestCommandsStaySmall(t *testing.T) {
	t.Parallel()

	walkGo(t, func(pkg, file string) {
		if !strings.HasPrefix(pkg, "cmd/") {
			return
		}
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(src), "\n"); n > 150 {
			t.Errorf("%s has %d lines; commands wire, packages work", file, n)
		}
	})
}

// walkGo calls fn with the package directory and path of each Go file of the
// product's module.
func walkGo(t *testing.T, fn func(pkg, file string)) {
	t.Helper()

	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			hidden := strings.HasPrefix(d.Name(), ".") && p != "."
			if hidden || slices.Contains(modules, filepath.ToSlash(p)) {
				return filepath.SkipDir
			}
			return nil
		}
		pkg := path.Dir(filepath.ToSlash(p))
		if strings.HasSuffix(p, ".go") && pkg != "." {
			// A directory of external tests only (deploy) is no package of the product.
			if !strings.HasSuffix(p, "_test.go") || imports[pkg] != nil {
				fn(pkg, p)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("failed to read the module: %v", err)
	}
}

func importsOf(t *testing.T, file string) []string {
	t.Helper()

	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, spec := range f.Imports {
		imp, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, imp)
	}
	return out
}

// homes returns the packages that may import imp, by the longest library
// prefix that matches; nil when nobody restricts it.
func homes(imp string) []string {
	var best string
	for lib := range owners {
		if (imp == lib || strings.HasPrefix(imp, lib+"/")) && len(lib) > len(best) {
			best = lib
		}
	}
	return owners[best]
}
