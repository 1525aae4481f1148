package scenario_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	apiwatch "k8s.io/apimachinery/pkg/watch"
)

// ours selects the claims that the product has made.
const ours = networkingv1.LabelManagedBy + "=clarion"

// version is one version of one Service, or of one claim: what the API server
// held from one resourceVersion on.
type version struct {
	at      uint64 // resourceVersion; they count all changes of all objects
	deleted bool

	// Of a Service.
	service   string // namespace/name; empty if this is of a claim
	uid       types.UID
	addresses []netip.Addr // in its status
	key       string       // what it shares by

	// Of a claim.
	claim   netip.Addr
	holders []string // Services, namespace/name
}

func (v version) String() string {
	switch {
	case v.service == "" && v.deleted:
		return fmt.Sprintf("%d: claim of %s is gone", v.at, v.claim)
	case v.service == "":
		return fmt.Sprintf("%d: claim of %s names %v", v.at, v.claim, v.holders)
	case v.deleted:
		return fmt.Sprintf("%d: %s (%s) is gone", v.at, v.service, v.uid)
	default:
		return fmt.Sprintf("%d: %s (%s) holds %v", v.at, v.service, v.uid, v.addresses)
	}
}

// versionOf reads a version from an object.
func versionOf(object runtime.Object) (v version, err error) {
	switch o := object.(type) {
	case *corev1.Service:
		v = version{service: o.Namespace + "/" + o.Name, uid: o.UID, addresses: held(o), key: o.Annotations["metallb.io/allow-shared-ip"]}
		v.at, err = strconv.ParseUint(o.ResourceVersion, 10, 64)
	case *networkingv1.IPAddress:
		var holders []struct{ Service string }
		if err := json.Unmarshal([]byte(o.Annotations["metallb.io/holders"]), &holders); err != nil {
			return v, fmt.Errorf("the holders of %s: %w", o.Name, err)
		}
		for _, h := range holders {
			v.holders = append(v.holders, h.Service)
		}
		// Kept for whoever comes back under its name, but held by nobody.
		if o.Annotations["metallb.io/released"] != "" {
			v.holders = nil
		}
		if v.claim, err = netip.ParseAddr(o.Name); err == nil {
			v.at, err = strconv.ParseUint(o.ResourceVersion, 10, 64)
		}
	default:
		err = fmt.Errorf("unexpected %T: %v", object, object)
	}
	return v, err
}

// history is every version of every Service of a namespace, and of every claim.
type history struct {
	watches []apiwatch.Interface
	group   sync.WaitGroup

	mu       sync.Mutex
	versions []version
	stopped  bool
	lost     []error
}

// record begins a history. It watches from one list on and never lists again: a
// watch that is lost is an error of [history.stop], because versions may have
// been missed.
func record(t *testing.T, ns string) *history {
	t.Helper()
	h := &history{}
	services := cluster.Clientset().CoreV1().Services(ns)
	claims := cluster.Clientset().NetworkingV1().IPAddresses()
	before, err := services.List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(before.Items) > 0 {
		t.Fatalf("%s has Services already", ns)
	}
	claimed, err := claims.List(t.Context(), metav1.ListOptions{LabelSelector: ours})
	if err != nil {
		t.Fatal(err)
	}
	for i := range claimed.Items {
		h.add(apiwatch.Event{Type: apiwatch.Added, Object: &claimed.Items[i]})
	}
	// Not the test's context, which ends before its clean-up does.
	a, err := services.Watch(context.Background(), metav1.ListOptions{ResourceVersion: before.ResourceVersion})
	if err != nil {
		t.Fatal(err)
	}
	h.follow(a)
	b, err := claims.Watch(context.Background(), metav1.ListOptions{ResourceVersion: claimed.ResourceVersion, LabelSelector: ours})
	if err != nil {
		t.Fatal(err)
	}
	h.follow(b)
	return h
}

func (h *history) follow(w apiwatch.Interface) {
	h.watches = append(h.watches, w)
	h.group.Go(func() {
		for event := range w.ResultChan() {
			h.add(event)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if !h.stopped {
			h.lost = append(h.lost, errors.New("a watch has ended by itself"))
		}
	})
}

func (h *history) add(event apiwatch.Event) {
	v, err := versionOf(event.Object)
	v.deleted = event.Type == apiwatch.Deleted
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.stopped: // the end of a watch may look like an error
	case err != nil:
		h.lost = append(h.lost, err)
	default:
		h.versions = append(h.versions, v)
	}
}

// stop ends the history and returns all versions in the order in which they
// came into being.
func (h *history) stop() ([]version, error) {
	h.mu.Lock()
	h.stopped = true
	h.mu.Unlock()
	for _, w := range h.watches {
		w.Stop()
	}
	h.group.Wait()
	slices.SortStableFunc(h.versions, func(a, b version) int { return cmp.Compare(a.at, b.at) })
	return h.versions, errors.Join(h.lost...)
}

// replay goes through a history and returns what must never be, in words: P1
// and P2 at every moment.
func replay(versions []version) []string {
	var wrong []string
	services := map[string]version{}
	claims := map[netip.Addr][]string{}
	shown := map[netip.Addr]map[string]bool{} // by which Services
	complain := func(v version, format string, args ...any) {
		wrong = append(wrong, fmt.Sprintf("%d: ", v.at)+fmt.Sprintf(format, args...))
	}
	for _, v := range versions {
		if v.service == "" {
			claims[v.claim] = v.holders
			for _, s := range slices.Sorted(maps.Keys(shown[v.claim])) {
				if !slices.Contains(v.holders, s) {
					complain(v, "%s holds %s, and its claim no longer says so", s, v.claim)
				}
			}
			continue
		}
		before := services[v.service]
		for _, a := range before.addresses {
			delete(shown[a], v.service)
		}
		if v.deleted {
			delete(services, v.service)
			continue
		}
		services[v.service] = v
		if before.uid == v.uid && len(before.addresses) > 0 && !slices.Equal(before.addresses, v.addresses) {
			complain(v, "%s held %v, now %v", v.service, before.addresses, v.addresses)
		}
		for _, a := range v.addresses {
			if !slices.Contains(claims[a], v.service) {
				complain(v, "%s holds %s without a claim, which names %v", v.service, a, claims[a])
			}
			for _, other := range slices.Sorted(maps.Keys(shown[a])) {
				if v.key == "" || services[other].key != v.key {
					complain(v, "%s holds %s, and so does %s", v.service, a, other)
				}
			}
			if shown[a] == nil {
				shown[a] = map[string]bool{}
			}
			shown[a][v.service] = true
		}
	}
	return wrong
}

// about returns the versions that speak of an address or a Service that a text
// names, for whoever must find out how it came to be.
func about(versions []version, text string) string {
	var out strings.Builder
	for _, v := range versions {
		named := v.service != "" && strings.Contains(text, v.service+" ")
		for _, a := range append(v.addresses, v.claim) {
			named = named || a.IsValid() && strings.Contains(text+" ", a.String())
		}
		if named {
			fmt.Fprintln(&out, v)
		}
	}
	return out.String()
}

func TestReplay(t *testing.T) {
	t.Parallel()
	x, y := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("198.51.100.2")
	claim := func(at uint64, a netip.Addr, holders ...string) version {
		return version{at: at, claim: a, holders: holders}
	}
	service := func(at uint64, name string, addresses ...netip.Addr) version {
		return version{at: at, service: name, uid: types.UID(name), addresses: addresses}
	}
	sharing := func(v version) version { v.key = "together"; return v }
	reborn := func(v version) version { v.uid = "again"; return v }
	gone := func(v version) version { v.deleted = true; return v }
	tests := map[string]struct {
		versions []version
		want     []string
	}{
		"as it should be": {
			versions: []version{service(1, "a"), claim(2, x, "a"), service(3, "a", x), service(4, "a", x), gone(service(5, "a", x)), claim(6, x)},
		},
		"one after the other": {
			versions: []version{
				claim(1, x, "a"), service(2, "a", x), gone(service(3, "a", x)), claim(4, x, "b"), service(5, "b", x),
			},
		},
		"two at once": {
			versions: []version{claim(1, x, "a", "b"), service(2, "a", x), service(3, "b", x)},
			want:     []string{"3: b holds 198.51.100.1, and so does a"},
		},
		"two that share": {
			versions: []version{claim(1, x, "a", "b"), sharing(service(2, "a", x)), sharing(service(3, "b", x))},
		},
		"two, of which one shares": {
			versions: []version{claim(1, x, "a", "b"), service(2, "a", x), sharing(service(3, "b", x))},
			want:     []string{"3: b holds 198.51.100.1, and so does a"},
		},
		"changed": {
			versions: []version{claim(1, x, "a"), claim(2, y, "a"), service(3, "a", x), service(4, "a", y)},
			want:     []string{"4: a held [198.51.100.1], now [198.51.100.2]"},
		},
		"lost": {
			versions: []version{claim(1, x, "a"), service(2, "a", x), service(3, "a")},
			want:     []string{"3: a held [198.51.100.1], now []"},
		},
		"another of the same name": {
			versions: []version{
				claim(1, x, "a"), claim(2, y, "a"), service(3, "a", x), gone(service(4, "a", x)), reborn(service(5, "a")), reborn(service(6, "a", y)),
			},
		},
		"before its claim": {
			versions: []version{service(1, "a", x), claim(2, x, "a")},
			want:     []string{"1: a holds 198.51.100.1 without a claim, which names []"},
		},
		"claim lost": {
			versions: []version{claim(1, x, "a"), service(2, "a", x), gone(claim(3, x))},
			want:     []string{"3: a holds 198.51.100.1, and its claim no longer says so"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := gocmp.Diff(test.want, replay(test.versions)); diff != "" {
				t.Errorf("what is wrong (-want +got):\n%s", diff)
			}
		})
	}
}
