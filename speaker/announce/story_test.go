package announce_test

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/clarion-lb/clarion/speaker/announce"
)

var update = flag.Bool("update", false, "write the decisions of the stories instead of checking them")

// TestStories plays testdata/*.txtar. A story is told in files, in order:
//
//	objects.yaml  the configuration, the nodes, the Services and their endpoints
//	members       the nodes with a live speaker, sorted, or "off"; see memberOf
//	links         the interfaces of a node on each line; see linkOf
//	routers       the routers found: a node, a link and an address on each line
//	exclude       expressions for interfaces to leave alone
//	flags         ignore-exclude-lb, or nothing
//	decision      what every node then does, and why
//
// A file stays in force until one of the same name replaces it, so a story may
// have several decisions. After "go test -update" read the difference: each
// line of a decision is a promise.
func TestStories(t *testing.T) {
	t.Parallel()

	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()

			story, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !play(t, story) && *update {
				if err := os.WriteFile(file, txtar.Format(story), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// play tells a story and puts the decisions it comes to into the story. It
// reports whether they were there before.
func play(t *testing.T, story *txtar.Archive) bool {
	t.Helper()

	var w world
	told := true
	for i := range story.Files {
		name, data := story.Files[i].Name, story.Files[i].Data
		lines := strings.Split(strings.TrimSpace(string(data)), "\n")
		switch name {
		case "objects.yaml":
			w.setObjects(t, data)
		case "members":
			w.shared.Members = announce.Members{}
			if lines[0] != "off" {
				w.shared.Members = announce.Members{Known: true}
				for _, line := range lines {
					w.shared.Members.Nodes = append(w.shared.Members.Nodes, memberOf(line))
				}
			}
		case "links":
			w.links = map[string][]announce.Link{}
			for _, line := range lines {
				words := strings.Fields(line)
				w.links[words[0]] = nil
				for _, word := range words[1:] {
					w.links[words[0]] = append(w.links[words[0]], linkOf(word))
				}
			}
		case "routers":
			w.routers = map[string]map[string]netip.Addr{}
			for _, line := range lines {
				words := strings.Fields(line)
				w.routers[words[0]] = map[string]netip.Addr{words[1]: netip.MustParseAddr(words[2])}
			}
		case "exclude":
			w.exclude = nil
			for _, line := range lines {
				w.exclude = append(w.exclude, regexp.MustCompile(line))
			}
		case "flags":
			w.shared.IgnoreExcludeLabel = lines[0] == "ignore-exclude-lb"
		case "decision":
			w.check(t)
			got := w.tell()
			if diff := cmp.Diff(string(data), got); diff != "" {
				told = false
				if !*update {
					t.Errorf("decision in file %d (-want +got):\n%s", i, diff)
				}
			}
			story.Files[i].Data = []byte(got)
		default:
			t.Fatalf("no story has a file %q", name)
		}
	}
	return told
}
