package main

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// executable is the least that counts as a static program for a machine.
func executable(t *testing.T, machine elf.Machine, interpreted bool) []byte {
	t.Helper()

	var b bytes.Buffer

	h := elf.Header64{
		Ident:   [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:    uint16(elf.ET_EXEC),
		Machine: uint16(machine),
		Version: uint32(elf.EV_CURRENT),
		Ehsize:  64, Phentsize: 56, Shentsize: 64,
	}
	if interpreted {
		h.Phoff, h.Phnum = 64, 1
	}

	if err := binary.Write(&b, binary.LittleEndian, h); err != nil {
		t.Fatal(err)
	}

	if err := binary.Write(&b, binary.LittleEndian, elf.Prog64{Type: uint32(elf.PT_INTERP)}); err != nil {
		t.Fatal(err)
	}

	return b.Bytes()
}

// binaries is a directory as `go build` leaves it.
func binaries(t *testing.T) string {
	t.Helper()

	dir := t.TempDir()

	for arch, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		for _, p := range []string{"controller", "speaker"} {
			file := filepath.Join(dir, "linux_"+arch, p)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}

			if err := os.WriteFile(file, append(executable(t, machine, false), p...), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}

	return dir
}

func noEnvironment(string) string { return "" }

// entry is what an archive says of a file.
type entry struct {
	Name       string
	Mode       int64
	UID, GID   int
	ModTime    time.Time
	Capability string
}

func entries(t *testing.T, image v1.Image) []entry {
	t.Helper()

	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}

	var all []entry

	for _, layer := range layers {
		content, err := layer.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}

		for r := tar.NewReader(content); ; {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}

			if err != nil {
				t.Fatal(err)
			}

			all = append(all, entry{h.Name, h.Mode, h.Uid, h.Gid, h.ModTime.UTC(), h.PAXRecords[capabilityRecord]})
		}
	}

	return all
}

// TestImage looks at what a run leaves on disk, as other tools will.
func TestImage(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	getenv := func(key string) string { return map[string]string{"SOURCE_DATE_EPOCH": "1700000000"}[key] }
	when := time.Unix(1700000000, 0).UTC()

	if err := run([]string{"--binaries", binaries(t), "--output", dir, "--version", "v0.1.0", "--revision", "abc"}, getenv, io.Discard); err != nil {
		t.Fatal(err)
	}

	root, err := layout.ImageIndexFromPath(filepath.Join(dir, "oci"))
	if err != nil {
		t.Fatal(err)
	}

	if err := validate.Index(root); err != nil {
		t.Errorf("the layout is not valid: %v", err)
	}

	named, err := root.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}

	if len(named.Manifests) != 1 || named.Manifests[0].Annotations[refNameAnnotation] != "latest" {
		t.Fatalf("want one image named latest, got %+v", named.Manifests)
	}

	idx, err := root.ImageIndex(named.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}

	manifest, err := idx.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}

	var platforms []string

	for _, m := range manifest.Manifests {
		platforms = append(platforms, m.Platform.String())

		image, err := idx.Image(m.Digest)
		if err != nil {
			t.Fatal(err)
		}

		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}

		if config.OS+"/"+config.Architecture != m.Platform.String() || config.Config.User != "65534:65534" ||
			!config.Created.Equal(when) || config.Config.Labels["org.opencontainers.image.version"] != "v0.1.0" {
			t.Errorf("unexpected configuration: %+v", config)
		}

		want := []entry{
			{Name: "controller", Mode: 0o555, ModTime: when},
			{Name: "speaker", Mode: 0o555, ModTime: when, Capability: "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"},
		}
		if diff := cmp.Diff(want, entries(t, image)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", m.Platform, diff)
		}
	}

	if diff := cmp.Diff([]string{"linux/amd64", "linux/arm64"}, platforms); diff != "" {
		t.Errorf("platforms (-want +got):\n%s", diff)
	}

	for _, arch := range []string{"amd64", "arm64"} {
		ref, err := name.NewTag("ghcr.io/clarion-lb/clarion:latest")
		if err != nil {
			t.Fatal(err)
		}

		image, err := tarball.ImageFromPath(filepath.Join(dir, "clarion_linux_"+arch+".tar"), &ref)
		if err != nil {
			t.Fatal(err)
		}

		if err := validate.Image(image); err != nil {
			t.Errorf("the archive for %s is not valid: %v", arch, err)
		}
	}
}

// TestReproducible: the same programs make the same image, also over an older
// one in the same place.
func TestReproducible(t *testing.T) {
	t.Parallel()

	from, to := binaries(t), t.TempDir()

	var outputs []string

	for range 2 {
		var out strings.Builder
		if err := run([]string{"--binaries", from, "--output", to}, noEnvironment, &out); err != nil {
			t.Fatal(err)
		}

		archive, err := os.ReadFile(filepath.Join(to, "clarion_linux_arm64.tar"))
		if err != nil {
			t.Fatal(err)
		}

		outputs = append(outputs, out.String()+string(archive))
	}

	if outputs[0] != outputs[1] {
		t.Error("two builds of the same programs differ")
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()

	good := binaries(t)
	swapped := binaries(t)
	dynamic := binaries(t)
	text := binaries(t)

	for file, content := range map[string][]byte{
		filepath.Join(swapped, "linux_arm64", "speaker"):    executable(t, elf.EM_X86_64, false),
		filepath.Join(dynamic, "linux_amd64", "controller"): executable(t, elf.EM_X86_64, true),
		filepath.Join(text, "linux_amd64", "controller"):    []byte("#!/bin/sh\n"),
	} {
		if err := os.WriteFile(file, content, 0o755); err != nil {
			t.Fatal(err)
		}
	}

	for _, tt := range []struct {
		args  []string
		epoch string
		want  string
	}{
		{[]string{}, "", "image: --binaries and --output are required; see --help"},
		{[]string{"--out", "x"}, "", "image: flag provided but not defined: -out; see --help"},
		{[]string{"--binaries", good, "--output", "OUT", "more"}, "", `image: unexpected argument "more"`},
		{[]string{"--binaries", good, "--output", "OUT", "--platforms", "linux"}, "", `image: invalid platform "linux": want one such as linux/amd64`},
		{[]string{"--binaries", good, "--output", "OUT", "--platforms", "linux/riscv64"}, "", "linux_riscv64/controller: no such file or directory"},
		{[]string{"--binaries", good, "--output", "OUT", "--name", "Clarion"}, "", "image: invalid --name: "},
		{[]string{"--binaries", good, "--output", "OUT"}, "yesterday", `image: invalid SOURCE_DATE_EPOCH "yesterday": want seconds since 1970`},
		{[]string{"--binaries", swapped, "--output", "OUT"}, "", "is not fit for an image of linux/arm64: it is built for EM_X86_64"},
		{[]string{"--binaries", dynamic, "--output", "OUT"}, "", "is not fit for an image of linux/amd64: it is not static: build with CGO_ENABLED=0"},
		{[]string{"--binaries", text, "--output", "OUT"}, "", "is not fit for an image of linux/amd64: it is no ELF executable: "},
	} {
		out := t.TempDir()
		for i := range tt.args {
			if tt.args[i] == "OUT" {
				tt.args[i] = out
			}
		}

		err := run(tt.args, func(string) string { return tt.epoch }, io.Discard)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: got %v, want %q", tt.args, err, tt.want)
		}
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()

	var out strings.Builder

	if err := run([]string{"--help"}, noEnvironment, &out); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("got %v, want %v", err, flag.ErrHelp)
	}

	for _, want := range []string{"usage: image [flags]", "SOURCE_DATE_EPOCH", "-binaries directory", "-platforms platforms"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the help does not mention %q:\n%s", want, out.String())
		}
	}
}
