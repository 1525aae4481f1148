package kube

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// freeAddress returns a local address that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	var listen net.ListenConfig
	listener, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // nothing was written
	return listener.Addr().String()
}

// visit returns the status and the text of a page; the error if there is none.
func visit(ctx context.Context, url string) string {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err.Error()
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "nobody"
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(response.Status + " " + string(body))
}

// TestAwait defends P5: a process that starts while the API server is away is
// there when it comes back.
func TestAwait(t *testing.T) {
	t.Parallel()
	refused := errors.New("connection refused")
	tests := map[string]struct {
		answers []error  // to one question after the other
		want    []string // what the health address says while each is asked
	}{
		"answers at once": {
			answers: []error{nil},
			want:    []string{"nobody, nobody"},
		},
		"answers later": {
			answers: []error{refused, refused, nil},
			want: []string{
				"nobody, nobody",
				"200 OK, 503 Service Unavailable the API server does not answer",
				"200 OK, 503 Service Unavailable the API server does not answer",
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &Process{HealthAddress: freeAddress(t), Log: slog.New(slog.DiscardHandler)}
			var got []string
			err := p.awaitAnswer(t.Context(), func(ctx context.Context) error {
				at := len(got)
				got = append(got, visit(ctx, "http://"+p.HealthAddress+"/healthz")+", "+visit(ctx, "http://"+p.HealthAddress+"/readyz"))
				return test.answers[at]
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("while it waits (-want +got):\n%s", diff)
			}
			if after := visit(t.Context(), "http://"+p.HealthAddress+"/healthz"); after != "nobody" {
				t.Errorf("afterwards %q serves, want nobody: the manager needs the address", after)
			}
		})
	}
}

// TestAwaitEndsWithItsContext holds that a process that waits can be stopped.
func TestAwaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	p := &Process{HealthAddress: freeAddress(t), Log: slog.New(slog.DiscardHandler)}
	asked := 0
	err := p.awaitAnswer(ctx, func(context.Context) error {
		if asked++; asked == 2 {
			cancel()
		}
		return errors.New("connection refused")
	})
	if err != nil || asked != 2 {
		t.Errorf("asked %d times, got %v, want 2 and no error", asked, err)
	}
}
