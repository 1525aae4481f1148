package kubelet

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLogs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "0.log")
		log, err := newLogWriter(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"one\ntw", "o\n", "three\nfour\n", "five"} {
			if _, err := log.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		for query, want := range map[string]string{
			"":                               "one\ntwo\nthree\nfour\nfive\n",
			"tailLines=2":                    "four\nfive\n",
			"tailLines=0":                    "",
			"tailLines=9":                    "one\ntwo\nthree\nfour\nfive\n",
			"sinceSeconds=2":                 "three\nfour\nfive\n",
			"limitBytes=6":                   "one\ntw",
			"timestamps=true&tailLines=1":    "2000-01-01T00:00:04.000000000Z five\n",
			"sinceTime=2000-01-01T00:00:01Z": "two\nthree\nfour\nfive\n",
		} {
			values, err := url.ParseQuery(query)
			if err != nil {
				t.Fatal(err)
			}
			options, err := parseLogOptions(values, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			if err := (logReader{path: path, options: options}).copyTo(t.Context(), &out); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, out.String()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", query, diff)
			}
		}
	})
}

func TestFollowedLogEndsWithItsWriter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "0.log")
		log, err := newLogWriter(path)
		if err != nil {
			t.Fatal(err)
		}
		writing := true
		go func() {
			for _, text := range []string{"one\n", "two\n", "three"} {
				time.Sleep(time.Second)
				if _, err := log.Write([]byte(text)); err != nil {
					t.Error(err)
				}
			}
			if err := log.Close(); err != nil {
				t.Error(err)
			}
			writing = false
		}()
		var out strings.Builder
		if err := (logReader{path: path, options: logOptions{follow: true, tail: -1}, more: func() bool { return writing }}).copyTo(t.Context(), &out); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff("one\ntwo\nthree\n", out.String()); diff != "" {
			t.Errorf("followed (-want +got):\n%s", diff)
		}
	})
}

func TestPayloadReplacesWhatChanged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(text string) payloadFile {
		return payloadFile{data: []byte(text), mode: 0o644, owner: os.Getuid()}
	}
	for _, want := range []payload{
		{"a": file("1"), "sub/b": file("2")},
		{"a": file("1"), "sub/b": file("3"), "c": file("4")},
		{"c": file("4")},
	} {
		if err := want.write(dir, noGroup); err != nil {
			t.Fatal(err)
		}
		got := payload{}
		err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			name, err := filepath.Rel(dir, path)
			if err != nil {
				return err
			}
			data, err := os.ReadFile(path)
			got[name] = file(string(data))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(payloadFile{})); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
	}
}
