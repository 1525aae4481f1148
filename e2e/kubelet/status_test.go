package kubelet

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

func running(ready bool) corev1.ContainerStatus {
	return corev1.ContainerStatus{
		Name: "main", ContainerID: "box://1", Ready: ready, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
	}
}

func ended(code int32) corev1.ContainerStatus {
	return corev1.ContainerStatus{
		Name: "main", ContainerID: "box://1", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code}},
	}
}

func notStarted() corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: "main", State: waiting("ContainerCreating", "")}
}

func done(status corev1.ContainerStatus) corev1.ContainerStatus {
	status.Ready = true
	return status
}

func TestPodStatus(t *testing.T) {
	t.Parallel()
	type outcome struct {
		Phase       corev1.PodPhase
		Initialized bool
		Containers  bool
		Ready       bool
	}
	gate := corev1.PodReadinessGate{ConditionType: "example.com/gate"}
	tests := map[string]struct {
		policy  corev1.RestartPolicy
		deleted bool
		gates   []corev1.PodReadinessGate
		facts   facts
		want    outcome
	}{
		"nothing has happened yet": {
			facts: facts{main: []corev1.ContainerStatus{notStarted()}},
			want:  outcome{corev1.PodPending, true, false, false},
		},
		"an init container runs": {
			facts: facts{prepared: true, init: []corev1.ContainerStatus{running(false)}, main: []corev1.ContainerStatus{notStarted()}},
			want:  outcome{corev1.PodPending, false, false, false},
		},
		"an init container has failed for good": {
			policy: corev1.RestartPolicyNever,
			facts:  facts{prepared: true, init: []corev1.ContainerStatus{ended(1)}, main: []corev1.ContainerStatus{notStarted()}},
			want:   outcome{corev1.PodFailed, false, false, false},
		},
		"runs, not ready": {
			facts: facts{prepared: true, main: []corev1.ContainerStatus{running(false)}},
			want:  outcome{corev1.PodRunning, true, false, false},
		},
		"runs, ready": {
			facts: facts{prepared: true, init: []corev1.ContainerStatus{done(ended(0))}, main: []corev1.ContainerStatus{running(true)}},
			want:  outcome{corev1.PodRunning, true, true, true},
		},
		"one of two is not ready": {
			facts: facts{prepared: true, main: []corev1.ContainerStatus{running(true), running(false)}},
			want:  outcome{corev1.PodRunning, true, false, false},
		},
		"ready, with a closed gate": {
			gates: []corev1.PodReadinessGate{gate},
			facts: facts{prepared: true, main: []corev1.ContainerStatus{running(true)}},
			want:  outcome{corev1.PodRunning, true, true, false},
		},
		"crashed, will restart": {
			facts: facts{prepared: true, main: []corev1.ContainerStatus{ended(1)}},
			want:  outcome{corev1.PodRunning, true, false, false},
		},
		"ended well for good": {
			policy: corev1.RestartPolicyOnFailure,
			facts:  facts{prepared: true, main: []corev1.ContainerStatus{ended(0)}},
			want:   outcome{corev1.PodSucceeded, true, false, false},
		},
		"failed for good": {
			policy: corev1.RestartPolicyNever,
			facts:  facts{prepared: true, main: []corev1.ContainerStatus{ended(0), ended(2)}},
			want:   outcome{corev1.PodFailed, true, false, false},
		},
		"deleted, killed": {
			deleted: true,
			facts:   facts{prepared: true, main: []corev1.ContainerStatus{ended(137)}},
			want:    outcome{corev1.PodFailed, true, false, false},
		},
		"deleted, serves to the end": {
			deleted: true,
			facts:   facts{prepared: true, main: []corev1.ContainerStatus{running(true)}},
			want:    outcome{corev1.PodRunning, true, true, true},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := &corev1.Pod{Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyAlways, ReadinessGates: tt.gates}}
			if tt.policy != "" {
				object.Spec.RestartPolicy = tt.policy
			}
			if tt.deleted {
				object.DeletionTimestamp = new(metav1.Now())
			}
			status := podStatus(object, corev1.PodStatus{}, tt.facts)
			is := map[corev1.PodConditionType]bool{}
			for _, condition := range status.Conditions {
				is[condition.Type] = condition.Status == corev1.ConditionTrue
			}
			got := outcome{status.Phase, is[corev1.PodInitialized], is[corev1.ContainersReady], is[corev1.PodReady]}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
		})
	}
}

func TestConditionKeepsItsTimeUntilItChanges(t *testing.T) {
	t.Parallel()
	object := &corev1.Pod{Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyAlways}}
	start := metav1.NewTime(time.Unix(1000, 0))
	at := func(seconds int64) metav1.Time {
		return metav1.NewTime(start.Add(time.Duration(seconds) * time.Second))
	}
	since := func(status corev1.PodStatus) int64 {
		for _, condition := range status.Conditions {
			if condition.Type == corev1.PodReady {
				return int64(condition.LastTransitionTime.Sub(start.Time) / time.Second)
			}
		}
		return -1
	}
	var got []int64
	var status corev1.PodStatus
	for second, ready := range []bool{false, false, true, true, false} {
		status = podStatus(object, status, facts{prepared: true, main: []corev1.ContainerStatus{running(ready)}, now: at(int64(second))})
		got = append(got, since(status))
	}
	if diff := cmp.Diff([]int64{0, 0, 2, 2, 4}, got); diff != "" {
		t.Errorf("when Ready last changed (-want +got):\n%s", diff)
	}
}

// A node that crashed has forgotten the addresses of its Pods, not the API server.
func TestStatusPatchReplacesAddressesAndMergesConditions(t *testing.T) {
	t.Parallel()
	condition := func(kind corev1.PodConditionType, status corev1.ConditionStatus) corev1.PodCondition {
		return corev1.PodCondition{Type: kind, Status: status}
	}
	ips := func(addresses ...string) (list []corev1.PodIP) {
		for _, a := range addresses {
			list = append(list, corev1.PodIP{IP: a})
		}
		return list
	}
	tests := map[string]struct{ at, next, want corev1.PodStatus }{
		"other addresses": {
			at:   corev1.PodStatus{PodIP: "198.51.100.9", PodIPs: ips("198.51.100.9", "2001:db8::9")},
			next: corev1.PodStatus{PodIP: "198.51.100.2", PodIPs: ips("198.51.100.2", "2001:db8::2")},
			want: corev1.PodStatus{PodIP: "198.51.100.2", PodIPs: ips("198.51.100.2", "2001:db8::2")},
		},
		"the same addresses": {
			at:   corev1.PodStatus{PodIP: "198.51.100.2", PodIPs: ips("198.51.100.2")},
			next: corev1.PodStatus{PodIP: "198.51.100.2", PodIPs: ips("198.51.100.2")},
			want: corev1.PodStatus{PodIP: "198.51.100.2", PodIPs: ips("198.51.100.2")},
		},
		"a condition of another owner": {
			at: corev1.PodStatus{Conditions: []corev1.PodCondition{
				condition(corev1.PodScheduled, corev1.ConditionTrue), condition(corev1.PodReady, corev1.ConditionFalse),
			}},
			next: corev1.PodStatus{Conditions: []corev1.PodCondition{condition(corev1.PodReady, corev1.ConditionTrue)}},
			want: corev1.PodStatus{Conditions: []corev1.PodCondition{
				condition(corev1.PodScheduled, corev1.ConditionTrue), condition(corev1.PodReady, corev1.ConditionTrue),
			}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			patch, err := statusPatch("a", &test.next)
			if err != nil {
				t.Fatal(err)
			}
			before, err := json.Marshal(corev1.Pod{Status: test.at})
			if err != nil {
				t.Fatal(err)
			}
			after, err := strategicpatch.StrategicMergePatch(before, patch, corev1.Pod{})
			if err != nil {
				t.Fatal(err)
			}
			var got corev1.Pod
			if err := json.Unmarshal(after, &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got.Status, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
		})
	}
}
