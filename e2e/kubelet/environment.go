package kubelet

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/pkg/fieldpath"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"
)

// environment holds a container's variables in the order they were set; setting one again changes it in place.
type environment struct {
	names  []string
	values map[string]string
}

func (e *environment) set(name, value string) {
	if e.values == nil {
		e.values = map[string]string{}
	}
	if _, ok := e.values[name]; !ok {
		e.names = append(e.names, name)
	}
	e.values[name] = value
}

func (e *environment) list() []string {
	list := make([]string, len(e.names))
	for i, name := range e.names {
		list[i] = name + "=" + e.values[name]
	}
	return list
}

// expand replaces $(NAME) by the variable of that name, and leaves it alone if there is none.
func (e *environment) expand(text string) string {
	return expansion.Expand(text, expansion.MappingFuncFor(e.values))
}

func (e *environment) expandAll(texts []string) []string {
	expanded := make([]string, len(texts))
	for i, text := range texts {
		expanded[i] = e.expand(text)
	}
	return expanded
}

// environment builds the variables of a container: the image's, where to find the API, then what the Pod sets.
func (p *pod) environment(ctx context.Context, container *corev1.Container, image Image) (*environment, error) {
	object := p.object()
	env := &environment{}
	env.set("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	env.set("HOSTNAME", p.hostname())
	if image.Env != nil {
		for _, entry := range image.Env(object, container) {
			name, value, _ := strings.Cut(entry, "=")
			env.set(name, value)
		}
	}
	env.set("KUBERNETES_SERVICE_HOST", p.kubelet.options.Service.Addr().String())
	env.set("KUBERNETES_SERVICE_PORT", strconv.Itoa(int(p.kubelet.options.Service.Port())))
	for _, source := range container.EnvFrom {
		values, err := p.envFrom(ctx, source)
		if err != nil {
			return nil, err
		}
		for _, name := range slices.Sorted(maps.Keys(values)) {
			env.set(source.Prefix+name, values[name])
		}
	}
	for _, variable := range container.Env {
		value := env.expand(variable.Value)
		if variable.ValueFrom != nil {
			found, ok, err := p.valueFrom(ctx, container, variable.ValueFrom)
			if err != nil {
				return nil, fmt.Errorf("kubelet: failed to set %s: %w", variable.Name, err)
			}
			if !ok {
				continue
			}
			value = found
		}
		env.set(variable.Name, value)
	}
	return env, nil
}

func (p *pod) envFrom(ctx context.Context, source corev1.EnvFromSource) (map[string]string, error) {
	switch {
	case source.ConfigMapRef != nil:
		data, err := p.configMap(ctx, source.ConfigMapRef.Name, source.ConfigMapRef.Optional)
		return asStrings(data), err
	case source.SecretRef != nil:
		data, err := p.secret(ctx, source.SecretRef.Name, source.SecretRef.Optional)
		return asStrings(data), err
	default:
		return nil, fmt.Errorf("kubelet: unknown source of variables")
	}
}

// valueFrom resolves a variable's source. ok is false when the source is optional and absent.
func (p *pod) valueFrom(ctx context.Context, container *corev1.Container, source *corev1.EnvVarSource) (value string, ok bool, err error) {
	switch {
	case source.FieldRef != nil:
		value, err = p.field(source.FieldRef.FieldPath)
		return value, err == nil, err
	case source.ResourceFieldRef != nil:
		return resourceField(container, source.ResourceFieldRef), true, nil
	case source.SecretKeyRef != nil:
		data, err := p.secret(ctx, source.SecretKeyRef.Name, source.SecretKeyRef.Optional)
		return pick(data, source.SecretKeyRef.Key, source.SecretKeyRef.Optional, err)
	case source.ConfigMapKeyRef != nil:
		data, err := p.configMap(ctx, source.ConfigMapKeyRef.Name, source.ConfigMapKeyRef.Optional)
		return pick(data, source.ConfigMapKeyRef.Key, source.ConfigMapKeyRef.Optional, err)
	default:
		return "", false, fmt.Errorf("unknown source")
	}
}

func pick(data map[string][]byte, key string, optional *bool, err error) (string, bool, error) {
	if err != nil {
		return "", false, err
	}
	value, ok := data[key]
	if !ok && !first(optional, new(false)) {
		return "", false, fmt.Errorf("no key %s", key)
	}
	return string(value), ok, nil
}

// field resolves a path of the downward API.
func (p *pod) field(path string) (string, error) {
	object := p.object()
	switch path {
	case "spec.nodeName":
		return object.Spec.NodeName, nil
	case "spec.serviceAccountName":
		return object.Spec.ServiceAccountName, nil
	case "status.hostIP":
		return p.kubelet.options.Host.Address(false).String(), nil
	case "status.hostIPs":
		return p.kubelet.options.Host.Address(false).String() + "," + p.kubelet.options.Host.Address(true).String(), nil
	case "status.podIP":
		return p.addresses()[0].String(), nil
	case "status.podIPs":
		var words []string
		for _, addr := range p.addresses() {
			words = append(words, addr.String())
		}
		return strings.Join(words, ","), nil
	default:
		return fieldpath.ExtractFieldPathAsString(object, path)
	}
}

// resourceField resolves a container's request or limit, rounded up to the divisor. A limit that is not set is the node's capacity.
func resourceField(container *corev1.Container, source *corev1.ResourceFieldSelector) string {
	quantity := container.Resources.Requests[corev1.ResourceName(strings.TrimPrefix(source.Resource, "requests."))]
	if name, ok := strings.CutPrefix(source.Resource, "limits."); ok {
		if quantity, ok = container.Resources.Limits[corev1.ResourceName(name)]; !ok {
			quantity = capacity()[corev1.ResourceName(name)]
		}
	}
	divisor := source.Divisor
	if divisor.IsZero() {
		divisor = resource.MustParse("1")
	}
	return strconv.FormatInt(int64(math.Ceil(quantity.AsApproximateFloat64()/divisor.AsApproximateFloat64())), 10)
}

// secret returns a Secret's data; nothing if it is optional and absent.
func (p *pod) secret(ctx context.Context, name string, optional *bool) (map[string][]byte, error) {
	secret, err := p.kubelet.client.CoreV1().Secrets(p.object().Namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) && first(optional, new(false)) {
		return map[string][]byte{}, nil
	}
	if err != nil {
		return nil, err
	}
	return secret.Data, nil
}

// configMap returns a ConfigMap's data; nothing if it is optional and absent.
func (p *pod) configMap(ctx context.Context, name string, optional *bool) (map[string][]byte, error) {
	configMap, err := p.kubelet.client.CoreV1().ConfigMaps(p.object().Namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) && first(optional, new(false)) {
		return map[string][]byte{}, nil
	}
	if err != nil {
		return nil, err
	}
	data := maps.Clone(configMap.BinaryData)
	if data == nil {
		data = map[string][]byte{}
	}
	for key, value := range configMap.Data {
		data[key] = []byte(value)
	}
	return data, nil
}

func asStrings(data map[string][]byte) map[string]string {
	texts := map[string]string{}
	for key, value := range data {
		texts[key] = string(value)
	}
	return texts
}
