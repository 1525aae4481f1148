package main

import (
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// nobody is whom the programs run as: no user that owns anything.
const nobody = "65534:65534"

// recipe is what an image is made of.
type recipe struct {
	// binaries is the directory that holds linux_amd64/controller and so on.
	binaries  string
	platforms []v1.Platform
	// created stands for every time in the image.
	created time.Time
	// version and revision are written into labels; either may be empty.
	version, revision string
}

// platformImage is the image for one platform.
type platformImage struct {
	platform v1.Platform
	v1.Image
}

// programs are the two of the product. The speaker opens packet sockets, the
// one thing it needs a capability for.
func programs() []program {
	return []program{
		{name: "controller"},
		{name: "speaker", capability: effective(capNetRaw)},
	}
}

// build returns an image for each platform.
func (r recipe) build() ([]platformImage, error) {
	var images []platformImage

	for _, platform := range r.platforms {
		image, err := r.buildFor(platform)
		if err != nil {
			return nil, err
		}

		images = append(images, platformImage{platform, image})
	}

	return images, nil
}

func (r recipe) buildFor(platform v1.Platform) (v1.Image, error) {
	all := programs()
	for i := range all {
		var err error
		if all[i], err = all[i].read(r.binaries, platform); err != nil {
			return nil, err
		}
	}

	layer, err := newLayer(all, r.created)
	if err != nil {
		return nil, err
	}

	image := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	image = mutate.ConfigMediaType(image, types.OCIConfigJSON)

	image, err = mutate.Append(image, mutate.Addendum{
		Layer:   layer,
		History: v1.History{Created: v1.Time{Time: r.created}, CreatedBy: "deploy/image", Comment: "the programs"},
	})
	if err != nil {
		return nil, fmt.Errorf("image: failed to add the layer for %s: %w", platform, err)
	}

	config, err := image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("image: failed to read the configuration for %s: %w", platform, err)
	}

	config = config.DeepCopy()
	config.OS, config.Architecture = platform.OS, platform.Architecture
	config.Created = v1.Time{Time: r.created}
	config.Config = v1.Config{User: nobody, WorkingDir: "/", Labels: r.labels()}

	image, err = mutate.ConfigFile(image, config)
	if err != nil {
		return nil, fmt.Errorf("image: failed to configure the image for %s: %w", platform, err)
	}

	return image, nil
}

// labels are the predefined annotation keys of the OCI image specification.
func (r recipe) labels() map[string]string {
	labels := map[string]string{
		"org.opencontainers.image.title":       "clarion",
		"org.opencontainers.image.description": "Load balancer addresses for Kubernetes on bare metal: /controller and /speaker",
		"org.opencontainers.image.source":      "https://github.com/clarion-lb/clarion",
		"org.opencontainers.image.licenses":    "Apache-2.0",
	}
	if r.version != "" {
		labels["org.opencontainers.image.version"] = r.version
	}

	if r.revision != "" {
		labels["org.opencontainers.image.revision"] = r.revision
	}

	return labels
}

// index returns the one image that all platforms find theirs in.
func index(images []platformImage) v1.ImageIndex {
	idx := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)

	for _, i := range images {
		idx = mutate.AppendManifests(idx, mutate.IndexAddendum{
			Add:        i.Image,
			Descriptor: v1.Descriptor{Platform: &i.platform},
		})
	}

	return idx
}
