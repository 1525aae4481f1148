package mounted_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/clarion-lb/clarion/internal/mounted"
)

// patience bounds every wait for the kernel on a busy machine.
const patience = 10 * time.Second

// volume is a directory kept as the kubelet keeps that of a ConfigMap.
type volume struct {
	t   *testing.T
	dir string
}

// update replaces the whole content, by moving ..data.
func (v volume) update(files map[string]string) {
	v.t.Helper()
	fresh, err := os.MkdirTemp(v.dir, "..2026_")
	v.do(err)
	for name, text := range files {
		v.do(os.WriteFile(filepath.Join(fresh, name), []byte(text), 0o600))
		if link := filepath.Join(v.dir, name); !exists(link) {
			v.do(os.Symlink(filepath.Join("..data", name), link))
		}
	}
	old, _ := os.Readlink(filepath.Join(v.dir, "..data")) // none at first
	v.do(os.Symlink(filepath.Base(fresh), filepath.Join(v.dir, "..data_tmp")))
	v.do(os.Rename(filepath.Join(v.dir, "..data_tmp"), filepath.Join(v.dir, "..data")))
	if old != "" {
		v.do(os.RemoveAll(filepath.Join(v.dir, old)))
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func (v volume) do(err error) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
}

// follow follows a file until the test ends.
func follow(t *testing.T, path string) *mounted.File {
	t.Helper()
	f, err := mounted.New(mounted.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return f
}

// await waits until the file says so; absent is a file that is not there.
func await(t *testing.T, f *mounted.File, want string) {
	t.Helper()
	timeout := time.After(patience)
	for said(f) != want {
		select {
		case <-f.Changed():
		case <-timeout:
			t.Fatalf("the file says %q, want %q", said(f), want)
		}
	}
}

const absent = "<absent>"

func said(f *mounted.File) string {
	if f.Content() == nil {
		return absent
	}
	return string(f.Content())
}

// TestVolume: what the kubelet does to the volume of a ConfigMap is seen, be the
// file there from the beginning or not.
func TestVolume(t *testing.T) {
	t.Parallel()
	v := volume{t, t.TempDir()}
	f := follow(t, filepath.Join(v.dir, "list.yaml"))

	v.update(map[string]string{"other.json": "{}"})
	v.update(map[string]string{"list.yaml": "one"})
	await(t, f, "one")
	v.update(map[string]string{"list.yaml": "two"})
	await(t, f, "two")
	v.update(map[string]string{"list.yaml": ""})
	await(t, f, "")
	v.update(map[string]string{"other.json": "{}"})
	await(t, f, absent)
}

// TestFile: a plain file too, whoever writes it and however.
func TestFile(t *testing.T) {
	t.Parallel()
	v := volume{t, t.TempDir()}
	dir := filepath.Join(v.dir, "not", "yet")
	path := filepath.Join(dir, "secretkey")
	f := follow(t, path)
	if diff := cmp.Diff(absent, said(f)); diff != "" {
		t.Fatal(diff)
	}

	v.do(os.MkdirAll(dir, 0o700))
	v.do(os.WriteFile(path, []byte("written"), 0o600))
	await(t, f, "written")
	v.do(os.WriteFile(path+".new", []byte("renamed"), 0o600))
	v.do(os.Rename(path+".new", path))
	await(t, f, "renamed")
	v.do(os.RemoveAll(filepath.Dir(dir)))
	await(t, f, absent)
	v.do(os.MkdirAll(dir, 0o700))
	v.do(os.WriteFile(path, []byte("again"), 0o600))
	await(t, f, "again")
}

// TestSameContent: a new version that says the same is no change.
func TestSameContent(t *testing.T) {
	t.Parallel()
	v := volume{t, t.TempDir()}
	v.update(map[string]string{"key": "same"})
	f := follow(t, filepath.Join(v.dir, "key"))
	await(t, f, "same")

	for range 5 {
		v.update(map[string]string{"key": "same"})
	}
	v.update(map[string]string{"key": "other"})
	<-f.Changed()
	if diff := cmp.Diff("other", said(f)); diff != "" {
		t.Errorf("the first change is no change:\n%s", diff)
	}
}

// TestUnreadable: what is there and cannot be read is said when it is first
// read, and changes nothing later.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	v := volume{t, t.TempDir()}
	path := filepath.Join(v.dir, "key")
	v.do(os.Mkdir(path, 0o700)) // a directory of that name
	if _, err := mounted.New(mounted.Options{Path: path}); err == nil {
		t.Error("a directory is read as a file")
	}
	v.do(os.Rename(path, path+".dir"))
	v.do(os.WriteFile(path, []byte("good"), 0o600))
	f := follow(t, path)
	v.do(os.Symlink(path+".dir", path+".link"))
	v.do(os.Rename(path+".link", path))
	v.do(os.Symlink("other", path+".link"))
	v.do(os.WriteFile(filepath.Join(v.dir, "other"), []byte("better"), 0o600))
	v.do(os.Rename(path+".link", path))
	<-f.Changed()
	if diff := cmp.Diff("better", said(f)); diff != "" {
		t.Errorf("the first change is to what cannot be read:\n%s", diff)
	}
}
