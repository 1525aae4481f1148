package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/match"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// refNameAnnotation is how an OCI layout names the images in it.
const refNameAnnotation = "org.opencontainers.image.ref.name"

// write puts the images into dir, and returns the digest of the index:
//
//	dir/oci/                       OCI layout of the image for all platforms
//	dir/clarion_linux_amd64.tar    archive of one platform for `docker load`
func write(dir string, ref name.Tag, images []platformImage) (v1.Hash, error) {
	idx := index(images)

	if err := writeLayout(filepath.Join(dir, "oci"), ref, idx); err != nil {
		return v1.Hash{}, err
	}

	for _, i := range images {
		file := filepath.Join(dir, fmt.Sprintf("clarion_%s_%s.tar", i.platform.OS, i.platform.Architecture))
		if err := tarball.WriteToFile(file, ref, i.Image); err != nil {
			return v1.Hash{}, fmt.Errorf("image: failed to write %s: %w", file, err)
		}
	}

	digest, err := idx.Digest()
	if err != nil {
		return v1.Hash{}, fmt.Errorf("image: failed to sum up the index: %w", err)
	}

	return digest, nil
}

// writeLayout makes the layout anew: what an earlier build left would stay in
// it for ever.
func writeLayout(dir string, ref name.Tag, idx v1.ImageIndex) error {
	for _, old := range []string{"blobs", "index.json", "oci-layout"} {
		if err := os.RemoveAll(filepath.Join(dir, old)); err != nil {
			return fmt.Errorf("image: failed to remove an old layout: %w", err)
		}
	}

	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return fmt.Errorf("image: failed to write an OCI layout to %s: %w", dir, err)
	}

	named := layout.WithAnnotations(map[string]string{refNameAnnotation: ref.TagStr()})
	if err := path.ReplaceIndex(idx, match.Name(ref.TagStr()), named); err != nil {
		return fmt.Errorf("image: failed to write an OCI layout to %s: %w", dir, err)
	}

	return nil
}
