package box

import (
	"encoding/json"
	"fmt"
	"os"
)

// Spec describes a container. It crosses from the process that wants the container to the one that becomes it as JSON.
type Spec struct {
	Args     []string // program, looked up in the PATH of Env if it has no slash, and its arguments
	Env      []string // KEY=value
	Dir      string   // working directory; "" means /
	Hostname string

	NetworkNamespace string  // path of the namespace to join
	Files            []File  // what the image holds
	Mounts           []Mount // what the Pod adds
	ReadOnly         bool    // the root file system cannot be written to

	UID, GID     int
	Groups       []int    // supplementary groups
	Capabilities []string // names without CAP_, the whole set
	// NoNewPrivileges keeps the program from gaining more by executing a file with capabilities or a set-user-ID bit.
	NoNewPrivileges bool
}

// File is a file of an image.
type File struct {
	Path   string // in the container
	Source string // on the host
}

// Mount makes a directory or file of the host visible in a container.
type Mount struct {
	Path     string // in the container
	Source   string // on the host
	ReadOnly bool
}

// Save writes the specification to a file for Load.
func (s Spec) Save(path string) error {
	data, err := json.Marshal(s)
	if err == nil {
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		return fmt.Errorf("box: failed to save the specification: %w", err)
	}
	return nil
}

// Load reads what Save wrote.
func Load(path string) (Spec, error) {
	var s Spec
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		return Spec{}, fmt.Errorf("box: failed to load the specification: %w", err)
	}
	return s, nil
}
