package lab_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/clarion-lb/clarion/e2e/lab"
)

// cluster is the one lab that all tests of this package share.
var cluster *lab.Lab

func TestMain(m *testing.M) {
	os.Exit(lab.TestMain(m, lab.Options{Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}, func(l *lab.Lab) { cluster = l }))
}

// get fetches a page from the client.
func get(t *testing.T, addr netip.Addr, port uint16) (string, error) {
	t.Helper()
	response, err := cluster.Client().HTTPClient(2 * time.Second).Get("http://" + netip.AddrPortFrom(addr, port).String())
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

func deployWeb(t *testing.T) {
	t.Helper()
	manifests, err := os.ReadFile("testdata/web.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := cluster.Apply(t.Context(), string(manifests)); err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.Kubectl(t.Context(), "rollout", "status", "deployment/web", "--timeout=60s"); err != nil {
		t.Fatal(err)
	}
}

func TestServiceAnswersOnEveryNode(t *testing.T) {
	deployWeb(t)
	for _, node := range cluster.Nodes() {
		for _, v6 := range []bool{false, true} {
			pods := map[string]bool{}
			err := cluster.Until(t.Context(), fmt.Sprintf("%s answers (IPv6 %v)", node.Name(), v6), func(context.Context) (bool, error) {
				body, err := get(t, node.Host().Address(v6), 30080)
				if err == nil {
					pods[strings.Fields(body)[0]] = true
				}
				return len(pods) == 3, nil
			})
			if err != nil {
				t.Error(err)
			}
		}
	}
}

func TestKubectlLogs(t *testing.T) {
	deployWeb(t)
	out, err := cluster.Kubectl(t.Context(), "logs", "-l", "app=web")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(out, "serving 8080/TCP,8053/UDP as web-"); got != 3 {
		t.Errorf("want a line from each of 3 Pods, got %d:\n%s", got, out)
	}
}
