package kubelet

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/clarion-lb/clarion/e2e/box"
)

func TestApplyPrivileges(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		outer *corev1.PodSecurityContext
		inner *corev1.SecurityContext
		want  box.Spec
	}{
		"nothing said": {
			want: box.Spec{Capabilities: box.DefaultCapabilities()},
		},
		"the Pod's user": {
			outer: &corev1.PodSecurityContext{RunAsUser: new(int64(5)), RunAsGroup: new(int64(6)), FSGroup: new(int64(7)), SupplementalGroups: []int64{8}},
			want:  box.Spec{UID: 5, GID: 6, Groups: []int{8, 7}, Capabilities: box.DefaultCapabilities()},
		},
		"the container's user": {
			outer: &corev1.PodSecurityContext{RunAsUser: new(int64(5))},
			inner: &corev1.SecurityContext{RunAsUser: new(int64(9))},
			want:  box.Spec{UID: 9, Capabilities: box.DefaultCapabilities()},
		},
		"as little as a speaker": {
			inner: &corev1.SecurityContext{
				AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true),
				Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}, Add: []corev1.Capability{"NET_RAW"}},
			},
			want: box.Spec{ReadOnly: true, NoNewPrivileges: true, Capabilities: []string{"NET_RAW"}},
		},
		"privileged": {
			inner: &corev1.SecurityContext{Privileged: new(true)},
			want:  box.Spec{Capabilities: []string{"ALL"}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := &corev1.Pod{Spec: corev1.PodSpec{SecurityContext: tt.outer}}
			var got box.Spec
			if err := applyPrivileges(&got, object, &corev1.Container{SecurityContext: tt.inner}, Image{}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("privileges (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRunAsNonRootIsEnforced(t *testing.T) {
	t.Parallel()
	object := &corev1.Pod{Spec: corev1.PodSpec{SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: new(true)}}}
	if err := applyPrivileges(&box.Spec{}, object, &corev1.Container{Name: "c"}, Image{}); err == nil {
		t.Error("root was accepted")
	}
	if err := applyPrivileges(&box.Spec{}, object, &corev1.Container{Name: "c"}, Image{UID: 3}); err != nil {
		t.Errorf("the image's user was refused: %v", err)
	}
}

func TestImagesByTagAndName(t *testing.T) {
	t.Parallel()
	images := NewImages(map[string]Image{
		"example.com:5000/a":    {UID: 1},
		"example.com:5000/a:v2": {UID: 2},
	})
	got := map[string]int{}
	for _, reference := range []string{"example.com:5000/a", "example.com:5000/a:v1", "example.com:5000/a:v2", "example.com:5000/b:v1", "a"} {
		image, err := images.find(reference)
		if err != nil {
			continue
		}
		got[reference] = image.UID
	}
	want := map[string]int{"example.com:5000/a": 1, "example.com:5000/a:v1": 1, "example.com:5000/a:v2": 2}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("images found (-want +got):\n%s", diff)
	}
}

func TestEnvironmentExpandsInOrder(t *testing.T) {
	t.Parallel()
	env := &environment{}
	env.set("A", "1")
	env.set("B", env.expand("$(A)2 $(C) $$(A)"))
	env.set("A", "3")
	want := []string{"A=3", "B=12 $(C) $(A)"}
	if diff := cmp.Diff(want, env.list()); diff != "" {
		t.Errorf("variables (-want +got):\n%s", diff)
	}
}

func TestResourceField(t *testing.T) {
	t.Parallel()
	container := &corev1.Container{Resources: corev1.ResourceRequirements{
		Limits:   corev1.ResourceList{"memory": resource.MustParse("512Mi"), "cpu": resource.MustParse("1500m")},
		Requests: corev1.ResourceList{"cpu": resource.MustParse("50m")},
	}}
	got := map[string]string{}
	for _, field := range []corev1.ResourceFieldSelector{
		{Resource: "limits.memory"}, {Resource: "limits.cpu"}, {Resource: "requests.cpu", Divisor: resource.MustParse("1m")}, {Resource: "requests.memory", Divisor: resource.MustParse("1Gi")},
	} {
		got[field.Resource] = resourceField(container, &field)
	}
	want := map[string]string{"limits.memory": "536870912", "limits.cpu": "2", "requests.cpu": "50", "requests.memory": "0"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("resources (-want +got):\n%s", diff)
	}
}
