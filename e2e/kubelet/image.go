package kubelet

import (
	"fmt"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"github.com/clarion-lb/clarion/e2e/box"
)

// Image says what a container image holds.
type Image struct {
	Files      []box.File
	Entrypoint []string // used by containers that give no command
	UID        int      // the user of containers that name none
	// Env returns variables for a container, KEY=value, that those the Pod sets override. nil means none.
	Env func(object *corev1.Pod, container *corev1.Container) []string
}

// Images are the images a cluster can run, by reference: "registry/name:tag", or "registry/name" for every tag not listed by
// itself. Nodes share them; an image may be added, or replaced for containers not started yet, at any time.
type Images struct {
	mu    sync.Mutex
	known map[string]Image
}

// NewImages returns a set of images.
func NewImages(known map[string]Image) *Images {
	images := &Images{known: map[string]Image{}}
	for reference, image := range known {
		images.Add(reference, image)
	}
	return images
}

// Add makes an image known under a reference.
func (i *Images) Add(reference string, image Image) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.known[reference] = image
}

func (i *Images) find(reference string) (Image, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if image, ok := i.known[reference]; ok {
		return image, nil
	}
	// A colon after the last slash starts the tag; one before it belongs to a port.
	name := reference
	if colon := strings.LastIndex(name, ":"); colon > strings.LastIndex(name, "/") {
		name = name[:colon]
	}
	if image, ok := i.known[name]; ok {
		return image, nil
	}
	return Image{}, fmt.Errorf("kubelet: the lab has no image %s", reference)
}
