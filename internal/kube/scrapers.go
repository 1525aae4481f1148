package kube

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/cache"
	authenticationclient "k8s.io/client-go/kubernetes/typed/authentication/v1"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

const (
	// reviewTimeout bounds the two questions that one request takes.
	reviewTimeout = 10 * time.Second
	// passTime is how long one that may pass is not asked about again. Most
	// scrapers come twice in that time, and a right that was taken away lasts no
	// longer. That somebody may not is not remembered: it would crowd out the others.
	passTime = time.Minute
	// knownTime is how long one that was let once is asked about past the limit:
	// whoever floods this port must not make monitoring blind.
	knownTime = time.Hour
	// maxPasses bounds how many are remembered.
	maxPasses = 64
	// Questions in a row, and from then on: anybody on the network may knock, and
	// the API server must not hear of each time.
	reviewsInARow    = 20
	reviewsPerSecond = 5
)

// scrapers lets those read the metrics whom the API server lets: it is asked whose
// a bearer token is (TokenReview), and whether that one may get the path
// (SubjectAccessReview). It keeps nothing of a token but a digest.
//
// Controller-runtime has a filter that does the same with the API server's own
// libraries; docs/design/architecture.md says why it is not this one.
type scrapers struct {
	tokens authenticationclient.TokenReviewInterface
	rights authorizationclient.SubjectAccessReviewInterface
	passes *cache.LRUExpireCache // of when they end, by pass
	limit  flowcontrol.RateLimiter
}

// pass is what was allowed.
type pass struct {
	token      [sha256.Size]byte
	verb, path string
}

// authorized is a [metricsserver.Options.FilterProvider].
func authorized(c *rest.Config, h *http.Client) (metricsserver.Filter, error) {
	tokens, err := authenticationclient.NewForConfigAndClient(c, h)
	if err != nil {
		return nil, fmt.Errorf("kube: failed to set up authentication of scrapers: %w", err)
	}
	rights, err := authorizationclient.NewForConfigAndClient(c, h)
	if err != nil {
		return nil, fmt.Errorf("kube: failed to set up authorization of scrapers: %w", err)
	}
	s := newScrapers(tokens.TokenReviews(), rights.SubjectAccessReviews())
	return s.filter, nil
}

func newScrapers(tokens authenticationclient.TokenReviewInterface, rights authorizationclient.SubjectAccessReviewInterface) *scrapers {
	return &scrapers{
		tokens: tokens, rights: rights,
		passes: cache.NewLRUExpireCache(maxPasses),
		limit:  flowcontrol.NewTokenBucketRateLimiter(reviewsPerSecond, reviewsInARow),
	}
}

func (s *scrapers) filter(log logr.Logger, next http.Handler) (http.Handler, error) {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, err := s.judge(r)
		if err != nil {
			log.Error(err, "failed to find out whether a scraper may read the metrics")
		}
		switch status {
		case http.StatusOK:
			next.ServeHTTP(w, r)
			return
		case http.StatusUnauthorized:
			w.Header().Set("WWW-Authenticate", "Bearer") // RFC 6750, section 3
		}
		http.Error(w, http.StatusText(status), status)
	}), nil
}

// judge returns the HTTP status that a request deserves, 200 for one that may pass.
func (s *scrapers) judge(r *http.Request) (status int, err error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return http.StatusUnauthorized, nil
	}
	p := pass{token: sha256.Sum256([]byte(token)), verb: strings.ToLower(r.Method), path: r.URL.Path}
	until, known := s.passes.Get(p)
	if end, ok := until.(time.Time); ok && time.Now().Before(end) {
		return http.StatusOK, nil
	}
	if !known && !s.limit.TryAccept() {
		return http.StatusTooManyRequests, nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), reviewTimeout)
	defer cancel()
	status, err = s.ask(ctx, token, &authorizationv1.NonResourceAttributes{Path: p.path, Verb: p.verb})
	if err != nil {
		return http.StatusServiceUnavailable, err
	}
	if status == http.StatusOK {
		s.passes.Add(p, time.Now().Add(passTime), knownTime)
	} else {
		s.passes.Remove(p)
	}
	return status, nil
}

// ask asks the API server.
func (s *scrapers) ask(ctx context.Context, token string, what *authorizationv1.NonResourceAttributes) (status int, err error) {
	who, err := s.tokens.Create(ctx, &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}, metav1.CreateOptions{})
	if err != nil {
		return 0, fmt.Errorf("kube: failed to review a token: %w", err)
	}
	if !who.Status.Authenticated {
		return http.StatusUnauthorized, nil
	}
	user := &who.Status.User
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user.Username, UID: user.UID, Groups: user.Groups, Extra: map[string]authorizationv1.ExtraValue{},
		NonResourceAttributes: what,
	}}
	for name, values := range user.Extra {
		review.Spec.Extra[name] = authorizationv1.ExtraValue(values)
	}
	may, err := s.rights.Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return 0, fmt.Errorf("kube: failed to review the rights of %s: %w", user.Username, err)
	}
	if !may.Status.Allowed || may.Status.Denied {
		return http.StatusForbidden, nil
	}
	return http.StatusOK, nil
}
