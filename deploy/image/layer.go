package main

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// capabilityRecord is the PAX record by which an archive carries the extended
// attribute that holds file capabilities (capabilities(7)). Docker, containerd
// and CRI-O restore it when they unpack a layer.
const capabilityRecord = "SCHILY.xattr.security.capability"

// capNetRaw is the number of CAP_NET_RAW in linux/capability.h.
const capNetRaw = 13

// effective is the value of that attribute for one capability, permitted and in
// effect from the start ("cap_net_raw+ep"): struct vfs_cap_data, revision 2, of
// linux/capability.h. Without it a program that is not started as root has no
// capability, whatever its container was granted.
func effective(capability uint) []byte {
	const revision2, effectiveFlag = 0x02000000, 0x000001

	var permitted uint64 = 1 << capability

	b := make([]byte, 0, 20)
	b = binary.LittleEndian.AppendUint32(b, revision2|effectiveFlag)

	for _, half := range []uint32{uint32(permitted), uint32(permitted >> 32)} {
		b = binary.LittleEndian.AppendUint32(b, half) // permitted
		b = binary.LittleEndian.AppendUint32(b, 0)    // inheritable
	}

	return b
}

// newLayer returns a layer of the programs, at the root, owned by root and
// written by nobody. The same programs and time make the same bytes.
func newLayer(programs []program, modified time.Time) (v1.Layer, error) {
	var archive bytes.Buffer

	w := tar.NewWriter(&archive)

	for _, p := range programs {
		if err := w.WriteHeader(header(p, modified)); err != nil {
			return nil, fmt.Errorf("image: failed to archive %s: %w", p.name, err)
		}

		if _, err := w.Write(p.content); err != nil {
			return nil, fmt.Errorf("image: failed to archive %s: %w", p.name, err)
		}
	}

	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("image: failed to end the archive: %w", err)
	}

	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(archive.Bytes())), nil
	}, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, fmt.Errorf("image: failed to make a layer: %w", err)
	}

	return layer, nil
}

func header(p program, modified time.Time) *tar.Header {
	h := &tar.Header{
		Typeflag: tar.TypeReg,
		Name:     p.name,
		Size:     int64(len(p.content)),
		Mode:     0o555,
		ModTime:  modified,
		Format:   tar.FormatPAX,
	}

	if len(p.capability) > 0 {
		h.PAXRecords = map[string]string{capabilityRecord: string(p.capability)}
	}

	return h
}
