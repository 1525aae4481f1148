package mounted

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/fsnotify/fsnotify"
)

// Options are what a File needs. Path is required.
type Options struct {
	// Path is the file. Neither it nor its directory has to exist yet.
	Path string
	// Log receives failures to read what was there before. Default: none.
	Log *slog.Logger
}

// File is one followed file. Its methods may be called from any goroutine.
type File struct {
	path    string
	log     *slog.Logger
	changed chan struct{}

	mu      sync.Mutex
	content []byte
}

// New reads the file once. It fails if the file is there and cannot be read.
func New(o Options) (*File, error) {
	if o.Path == "" {
		return nil, errors.New("mounted: failed to follow a file: it has no name")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	f := &File{path: filepath.Clean(o.Path), log: o.Log, changed: make(chan struct{}, 1)}
	content, err := f.read()
	if err != nil {
		return nil, fmt.Errorf("mounted: %w", err)
	}
	f.content = content
	return f, nil
}

// Content returns what the file holds; nil if there is none. The slice is
// shared: callers must not modify it.
func (f *File) Content() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.content
}

// Changed receives after Content has changed. Changes that the receiver has not
// yet picked up are one signal.
func (f *File) Changed() <-chan struct{} { return f.changed }

// Run follows the file until ctx ends, and then returns nil. It fails if the
// kernel lets nobody watch directories. Run may be called once.
func (f *File) Run(ctx context.Context) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("mounted: failed to watch %s: %w", f.path, err)
	}
	defer watcher.Close() //nolint:errcheck // it was only read from

	for {
		// Anew after each event: the directory may have come, gone, or be another.
		if err := watcher.Add(nearest(filepath.Dir(f.path))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("mounted: failed to watch %s: %w", f.path, err)
		}
		f.refresh() // after Add, so that no change falls between the two
		select {
		case <-ctx.Done():
			return nil
		case <-watcher.Events:
		case err := <-watcher.Errors: // events may have been lost, and all of them say the same
			f.log.Debug("file events lost, reading again", slog.String("path", f.path), slog.Any("error", err))
		}
	}
}

// refresh reads the file again. One that cannot be read is as it was.
func (f *File) refresh() {
	content, err := f.read()
	if err != nil {
		f.log.Warn("file cannot be read, its last content stands", slog.String("path", f.path), slog.Any("error", err))
		return
	}
	f.mu.Lock()
	same := bytes.Equal(f.content, content) && (f.content == nil) == (content == nil)
	f.content = content
	f.mu.Unlock()
	if same {
		return
	}
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// read returns what the file holds; nil if there is none.
func (f *File) read() ([]byte, error) {
	content, err := os.ReadFile(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("failed to read %s: %w", f.path, err)
	case content == nil:
		content = []byte{} // there, and empty
	}
	return content, nil
}

// nearest returns the directory, or where it would have to appear.
func nearest(dir string) string {
	for {
		if info, err := os.Stat(dir); err == nil && info.IsDir() || dir == filepath.Dir(dir) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}
