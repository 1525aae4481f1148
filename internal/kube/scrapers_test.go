package kube

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authenticationclient "k8s.io/client-go/kubernetes/typed/authentication/v1"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
)

// reviewer is an API server that knows tokens "good-NAME", and lets only the user
// prometheus read /metrics.
type reviewer struct {
	authenticationclient.TokenReviewInterface
	authorizationclient.SubjectAccessReviewExpansion

	asked []string
	// broken is what asking whose a token is fails with, torn what asking what he
	// may fails with, and denied says no besides yes.
	broken, torn error
	denied       bool
}

func (r *reviewer) Create(_ context.Context, review *authenticationv1.TokenReview, _ metav1.CreateOptions) (*authenticationv1.TokenReview, error) {
	r.asked = append(r.asked, "whose is "+review.Spec.Token)
	name, known := strings.CutPrefix(review.Spec.Token, "good-")
	review.Status.Authenticated = known
	review.Status.User = authenticationv1.UserInfo{Username: name, Groups: []string{"scrapers"}, Extra: map[string]authenticationv1.ExtraValue{"pod": {"p"}}}
	return review, r.broken
}

type rights struct{ *reviewer }

func (r rights) Create(_ context.Context, review *authorizationv1.SubjectAccessReview, _ metav1.CreateOptions) (*authorizationv1.SubjectAccessReview, error) {
	what := review.Spec.NonResourceAttributes
	r.asked = append(r.asked, "may "+review.Spec.User+" of "+strings.Join(review.Spec.Groups, ",")+" in "+review.Spec.Extra["pod"][0]+" "+what.Verb+" "+what.Path)
	review.Status.Allowed = review.Spec.User == "prometheus" && what.Verb == "get" && what.Path == "/metrics"
	review.Status.Denied = r.denied
	return review, r.torn
}

// TestScrapers defends security: nobody reads the metrics whom the API server does
// not let, and nobody makes this program ask it without end.
func TestScrapers(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		server := &reviewer{}
		s := newScrapers(server, rights{server})
		handler, err := s.filter(logr.Discard(), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
		if err != nil {
			t.Fatal(err)
		}
		get := func(method, path, authorization string) int {
			t.Helper()
			w, r := httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), method, path, nil)
			if authorization != "" {
				r.Header.Set("Authorization", authorization)
			}
			handler.ServeHTTP(w, r)
			return w.Code
		}
		may := []string{"whose is good-prometheus", "may prometheus of scrapers in p get /metrics"}
		for _, step := range []struct {
			name                        string
			method, path, authorization string
			want                        int
			asked                       []string
		}{
			{"nobody", "GET", "/metrics", "", http.StatusUnauthorized, nil},
			{"another scheme", "GET", "/metrics", "Basic good-prometheus", http.StatusUnauthorized, nil},
			{"no token", "GET", "/metrics", "Bearer ", http.StatusUnauthorized, nil},
			{"a token of nobody", "GET", "/metrics", "Bearer bad", http.StatusUnauthorized, []string{"whose is bad"}},
			{
				"one without the right", "GET", "/metrics", "Bearer good-mallory", http.StatusForbidden,
				[]string{"whose is good-mallory", "may mallory of scrapers in p get /metrics"},
			},
			{"one with the right", "GET", "/metrics", "Bearer good-prometheus", http.StatusOK, may},
			{"again", "GET", "/metrics", "bearer good-prometheus", http.StatusOK, nil},
			{
				"to another end", "DELETE", "/metrics", "Bearer good-prometheus", http.StatusForbidden,
				[]string{"whose is good-prometheus", "may prometheus of scrapers in p delete /metrics"},
			},
			{
				"elsewhere", "GET", "/debug", "Bearer good-prometheus", http.StatusForbidden,
				[]string{"whose is good-prometheus", "may prometheus of scrapers in p get /debug"},
			},
		} {
			server.asked = nil
			if got := get(step.method, step.path, step.authorization); got != step.want {
				t.Errorf("%s: %d, want %d", step.name, got, step.want)
			}
			if diff := cmp.Diff(step.asked, server.asked); diff != "" {
				t.Errorf("%s (-want +got):\n%s", step.name, diff)
			}
		}

		server.asked = nil
		for range 1000 {
			get("GET", "/metrics", "Bearer bad")
		}
		if n := len(server.asked); n > reviewsInARow {
			t.Errorf("the API server was asked %d times in a row", n)
		}
		if got := get("GET", "/metrics", "Bearer good-prometheus"); got != http.StatusOK {
			t.Errorf("who was let before meanwhile gets %d", got)
		}

		time.Sleep(passTime + time.Second)
		for range 1000 {
			get("GET", "/metrics", "Bearer bad")
		}
		server.asked = nil
		if got := get("GET", "/metrics", "Bearer good-prometheus"); got != http.StatusOK {
			t.Errorf("who was let before gets %d, while others flood", got)
		}
		if diff := cmp.Diff(may, server.asked); diff != "" {
			t.Errorf("later (-want +got):\n%s", diff)
		}

		for _, step := range []struct {
			name         string
			broken, torn error
			denied       bool
			want         int
		}{
			{"no API server", errors.New("gone"), nil, false, http.StatusServiceUnavailable},
			{"gone in between", nil, errors.New("gone"), false, http.StatusServiceUnavailable},
			{"back", nil, nil, false, http.StatusOK},
			{"allowed and denied", nil, nil, true, http.StatusForbidden},
		} {
			time.Sleep(passTime + time.Second)
			server.broken, server.torn, server.denied = step.broken, step.torn, step.denied
			for range 2 { // nothing is remembered but that he may
				if got := get("GET", "/metrics", "Bearer good-prometheus"); got != step.want {
					t.Errorf("%s: %d, want %d", step.name, got, step.want)
				}
			}
		}
	})
}
