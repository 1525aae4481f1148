package kubelet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// volumePeriod is how often Secrets, ConfigMaps and tokens in volumes are brought up to date.
const volumePeriod = 5 * time.Second

// payload is what a volume should hold: files by relative path.
type payload map[string]payloadFile

type payloadFile struct {
	data  []byte
	mode  os.FileMode
	owner int // user ID
}

// token is a ServiceAccount token and when to ask for the next.
type token struct {
	text  string
	renew time.Time
}

func (p *pod) volumeDir(name string) string { return filepath.Join(p.dir, "volumes", name) }

// writeVolumes fills the Pod's volumes, or brings them up to date.
func (p *pod) writeVolumes(ctx context.Context) error {
	for _, volume := range p.object().Spec.Volumes {
		if volume.HostPath != nil {
			continue // mounted from where it is
		}
		dir := p.volumeDir(volume.Name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("kubelet: failed to make volume %s: %w", volume.Name, err)
		}
		if volume.EmptyDir != nil {
			if err := os.Chmod(dir, 0o777); err != nil {
				return fmt.Errorf("kubelet: failed to make volume %s: %w", volume.Name, err)
			}
			continue
		}
		files, err := p.contents(ctx, volume)
		if err == nil {
			err = files.write(dir, p.fsGroup())
		}
		if err != nil {
			return fmt.Errorf("kubelet: failed to fill volume %s: %w", volume.Name, err)
		}
	}
	return nil
}

// contents collects what a volume should hold.
func (p *pod) contents(ctx context.Context, volume corev1.Volume) (payload, error) {
	files := payload{}
	switch {
	case volume.Secret != nil:
		data, err := p.secret(ctx, volume.Secret.SecretName, volume.Secret.Optional)
		if err != nil {
			return nil, err
		}
		return files, files.add(data, selection{volume.Secret.Items, volume.Secret.Optional, mode(volume.Secret.DefaultMode)})
	case volume.ConfigMap != nil:
		data, err := p.configMap(ctx, volume.ConfigMap.Name, volume.ConfigMap.Optional)
		if err != nil {
			return nil, err
		}
		return files, files.add(data, selection{volume.ConfigMap.Items, volume.ConfigMap.Optional, mode(volume.ConfigMap.DefaultMode)})
	case volume.DownwardAPI != nil:
		return files, p.addFields(files, volume.DownwardAPI.Items, mode(volume.DownwardAPI.DefaultMode))
	case volume.Projected != nil:
		for _, source := range volume.Projected.Sources {
			if err := p.addSource(ctx, files, source, mode(volume.Projected.DefaultMode)); err != nil {
				return nil, err
			}
		}
		return files, nil
	default:
		return nil, fmt.Errorf("the lab has no volumes of this kind")
	}
}

func (p *pod) addSource(ctx context.Context, files payload, source corev1.VolumeProjection, mode os.FileMode) error {
	switch {
	case source.ServiceAccountToken != nil:
		text, err := p.serviceAccountToken(ctx, source.ServiceAccountToken)
		if err != nil {
			return err
		}
		// Readable only for the user the Pod runs as, if its containers agree on one, and for its fsGroup, as the real kubelet does it.
		file := payloadFile{data: []byte(text), mode: mode}
		owner, ok := commonUser(&p.object().Spec)
		if ok {
			file.owner = owner
		}
		if ok || p.fsGroup() != noGroup {
			file.mode = 0o600
		}
		files[source.ServiceAccountToken.Path] = file
		return nil
	case source.ConfigMap != nil:
		data, err := p.configMap(ctx, source.ConfigMap.Name, source.ConfigMap.Optional)
		if err != nil {
			return err
		}
		return files.add(data, selection{source.ConfigMap.Items, source.ConfigMap.Optional, mode})
	case source.Secret != nil:
		data, err := p.secret(ctx, source.Secret.Name, source.Secret.Optional)
		if err != nil {
			return err
		}
		return files.add(data, selection{source.Secret.Items, source.Secret.Optional, mode})
	case source.DownwardAPI != nil:
		return p.addFields(files, source.DownwardAPI.Items, mode)
	default:
		return fmt.Errorf("the lab cannot project this source")
	}
}

func (p *pod) addFields(files payload, items []corev1.DownwardAPIVolumeFile, mode os.FileMode) error {
	for _, item := range items {
		if item.FieldRef == nil {
			return fmt.Errorf("the lab cannot project %s", item.Path)
		}
		value, err := p.field(item.FieldRef.FieldPath)
		if err != nil {
			return err
		}
		files[item.Path] = payloadFile{data: []byte(value), mode: mode}
	}
	return nil
}

// serviceAccountToken returns a token of the Pod's ServiceAccount that is bound to the Pod: it dies with it.
func (p *pod) serviceAccountToken(ctx context.Context, source *corev1.ServiceAccountTokenProjection) (string, error) {
	if known, ok := p.tokens[source.Path]; ok && time.Now().Before(known.renew) {
		return known.text, nil
	}
	object := p.object()
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: source.ExpirationSeconds,
		BoundObjectRef:    &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: object.Name, UID: object.UID},
	}}
	if source.Audience != "" {
		request.Spec.Audiences = []string{source.Audience}
	}
	accounts := p.kubelet.client.CoreV1().ServiceAccounts(object.Namespace)
	answer, err := accounts.CreateToken(ctx, object.Spec.ServiceAccountName, request, metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	if p.tokens == nil {
		p.tokens = map[string]token{}
	}
	lifetime := time.Until(answer.Status.ExpirationTimestamp.Time)
	p.tokens[source.Path] = token{text: answer.Status.Token, renew: time.Now().Add(lifetime * 8 / 10)}
	return answer.Status.Token, nil
}

// commonUser returns the user that every container of a Pod runs as.
func commonUser(spec *corev1.PodSpec) (int, bool) {
	common := int64(-1)
	for i := range spec.Containers {
		var inner, outer *int64
		if spec.Containers[i].SecurityContext != nil {
			inner = spec.Containers[i].SecurityContext.RunAsUser
		}
		if spec.SecurityContext != nil {
			outer = spec.SecurityContext.RunAsUser
		}
		user := first(inner, outer, new(int64(-1)))
		if user < 0 || (i > 0 && user != common) {
			return 0, false
		}
		common = user
	}
	return int(common), true
}

func mode(bits *int32) os.FileMode { return os.FileMode(first(bits, new(int32(0o644)))) }

// selection says what of a Secret or ConfigMap goes into a volume.
type selection struct {
	items    []corev1.KeyToPath // empty means all keys, under their names
	optional *bool              // a key that is absent is left out
	mode     os.FileMode
}

// add adds the selected keys.
func (f payload) add(data map[string][]byte, selected selection) error {
	if len(selected.items) == 0 {
		for key, value := range data {
			f[key] = payloadFile{data: value, mode: selected.mode}
		}
	}
	for _, item := range selected.items {
		value, ok := data[item.Key]
		if !ok && first(selected.optional, new(false)) {
			continue
		}
		if !ok {
			return fmt.Errorf("no key %s", item.Key)
		}
		file := payloadFile{data: value, mode: selected.mode}
		if item.Mode != nil {
			file.mode = os.FileMode(*item.Mode)
		}
		f[item.Path] = file
	}
	return nil
}

// noGroup leaves files to the group of their owner.
const noGroup = -1

// fsGroup returns the group that may read everything in the Pod's volumes, or noGroup.
func (p *pod) fsGroup() int {
	if context := p.object().Spec.SecurityContext; context != nil && context.FSGroup != nil {
		return int(*context.FSGroup)
	}
	return noGroup
}

// write makes a directory hold exactly these files. Each changes in one step, so that a reader never sees half of one.
func (f payload) write(dir string, group int) error {
	for name, file := range f {
		path := filepath.Join(dir, name)
		if current, err := os.ReadFile(path); err == nil && string(current) == string(file.data) {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		next := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".next")
		if err := os.WriteFile(next, file.data, 0o600); err != nil {
			return err
		}
		// EINVAL: the sandbox of an ordinary user has no other user, and the container runs as its root (see package box).
		if err := os.Chown(next, file.owner, group); err != nil && !errors.Is(err, syscall.EINVAL) {
			return err
		}
		if group != noGroup {
			file.mode |= 0o440
		}
		if err := os.Chmod(next, file.mode); err != nil {
			return err
		}
		if err := os.Rename(next, path); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !f.holds(entry.Name()) {
			if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// holds reports whether a file is, or lies below, the entry of the volume's directory.
func (f payload) holds(entry string) bool {
	for name := range f {
		if name == entry || strings.HasPrefix(name, entry+"/") {
			return true
		}
	}
	return false
}

// refreshVolumes keeps volumes up to date until ctx ends. A failure leaves them as they are.
func (p *pod) refreshVolumes(ctx context.Context) {
	for pause(ctx, volumePeriod) {
		if err := p.writeVolumes(ctx); err != nil && ctx.Err() == nil {
			p.kubelet.log.Debug("failed to refresh volumes", "pod", p.key(), "error", err)
		}
	}
}

// key names the Pod in logs.
func (p *pod) key() types.NamespacedName {
	object := p.object()
	return types.NamespacedName{Namespace: object.Namespace, Name: object.Name}
}
