package config_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clarion-lb/clarion/config"
)

// TestShippedManifestsCompile is a law of the repository: the manifests that we
// show to users, and those that we install for them, can be applied together: they
// compile with zero Problems.
func TestShippedManifestsCompile(t *testing.T) {
	t.Parallel()

	pools, peers := 0, 0
	for _, root := range []string{"../examples", "../deploy"} {
		var manifests strings.Builder
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && entry.Name() == "templates":
				return filepath.SkipDir // Helm's, which is not YAML yet
			case entry.IsDir() || filepath.Ext(path) != ".yaml":
				return nil
			}
			text, err := os.ReadFile(path)
			manifests.WriteString("\n---\n" + string(text))
			return err
		})
		if err != nil {
			t.Errorf("failed to read the manifests: %v", err)
		}
		o := objectsOf(t, strings.TrimSpace(manifests.String()))
		_, problems := config.Compile(o)
		for _, p := range problems {
			t.Errorf("%s: %s", root, p.Error())
		}
		pools += len(o.Pools)
		peers += len(o.Peers)
	}
	if pools == 0 || peers == 0 {
		t.Error("no manifest has an IPAddressPool, or none a BGPPeer: the law looks at nothing")
	}
}
