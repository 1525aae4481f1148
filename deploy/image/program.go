package main

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// program is an executable file of the image.
type program struct {
	name string
	// capability is the file capability it carries, empty for none.
	capability []byte
	content    []byte
}

// read returns the program as built for a platform: dir/linux_amd64/name.
func (p program) read(dir string, platform v1.Platform) (program, error) {
	file := filepath.Join(dir, platform.OS+"_"+platform.Architecture, p.name)

	content, err := os.ReadFile(file)
	if err != nil {
		return p, fmt.Errorf("image: failed to read a program: %w", err)
	}

	if err := runnable(content, platform.Architecture); err != nil {
		return p, fmt.Errorf("image: %s is not fit for an image of %s: %w", file, platform, err)
	}

	p.content = content

	return p, nil
}

// runnable says why an executable would not run in an image that holds nothing
// else.
func runnable(content []byte, architecture string) error {
	f, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("it is no ELF executable: %w", err)
	}

	machine, known := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[architecture]
	if !known {
		return fmt.Errorf("architecture %s is not known here", architecture)
	}

	if f.Machine != machine {
		return fmt.Errorf("it is built for %s", f.Machine)
	}

	for _, segment := range f.Progs {
		if segment.Type == elf.PT_INTERP {
			return errors.New("it is not static: build with CGO_ENABLED=0")
		}
	}

	return nil
}
