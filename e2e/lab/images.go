package lab

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/clarion-lb/clarion/e2e/artifacts"
	"github.com/clarion-lb/clarion/e2e/box"
	"github.com/clarion-lb/clarion/e2e/kubelet"
)

// The images that DefaultImages knows, without tags.
const (
	ProductImage = "ghcr.io/clarion-lb/clarion"
	// WebImage answers HTTP and UDP on every containerPort of its container; see box.Web.
	WebImage = "web"
)

// DefaultImages returns the image of the product, if the repository has one, and WebImage.
func DefaultImages(programs artifacts.Set) (map[string]kubelet.Image, error) {
	images := map[string]kubelet.Image{
		WebImage: {
			Files:      []box.File{{Path: "/box", Source: programs.Box}},
			Entrypoint: []string{"/box", "web"},
			Env:        webEnvironment,
		},
	}
	if programs.Controller != "" && programs.Speaker != "" {
		product, err := productImage(programs)
		if err != nil {
			return nil, err
		}
		images[ProductImage] = product
	}
	return images, nil
}

// productImage holds copies of the programs, so that building them again does not change a lab that runs. The speaker's carries the
// file capability that the real image gives it.
func productImage(programs artifacts.Set) (kubelet.Image, error) {
	var image kubelet.Image
	for path, source := range map[string]string{"/controller": programs.Controller, "/speaker": programs.Speaker} {
		target := filepath.Join(stateDirectory, "images", path)
		if err := copyProgram(source, target); err != nil {
			return kubelet.Image{}, err
		}
		image.Files = append(image.Files, box.File{Path: path, Source: target})
	}
	return image, box.SetFileCapability(filepath.Join(stateDirectory, "images", "speaker"), "NET_RAW")
}

func copyProgram(source, target string) error {
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return fmt.Errorf("lab: failed to make an image: %w", err)
	}
	in, err := os.Open(source)
	if err != nil {
		return fmt.Errorf("lab: failed to make an image: %w", err)
	}
	defer in.Close() //nolint:errcheck // it was only read from
	out, err := os.OpenFile(target, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return fmt.Errorf("lab: failed to make an image: %w", err)
	}
	if _, err := io.Copy(out, in); err != nil {
		return errors.Join(fmt.Errorf("lab: failed to make an image: %w", err), out.Close())
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("lab: failed to make an image: %w", err)
	}
	return nil
}

// webEnvironment tells the web program who it is and where to listen, so that manifests need not.
func webEnvironment(object *corev1.Pod, container *corev1.Container) []string {
	var ports []string
	for _, port := range container.Ports {
		protocol := port.Protocol
		if protocol == "" {
			protocol = corev1.ProtocolTCP
		}
		ports = append(ports, fmt.Sprintf("%d/%s", port.ContainerPort, protocol))
	}
	return []string{
		box.WebPorts + "=" + strings.Join(ports, ","),
		box.WebPod + "=" + object.Name,
		box.WebNode + "=" + object.Spec.NodeName,
	}
}
