package kubelet

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// stamp is the time in front of each line of a log file. All stamps have the same length, so that they can be cut off.
const stamp = "2006-01-02T15:04:05.000000000Z"

// logWriter stores what a container writes, each line with its time in front.
type logWriter struct {
	mu      sync.Mutex
	file    *os.File
	partial []byte // a line that has not ended yet
}

func newLogWriter(path string) (*logWriter, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("kubelet: failed to make a log: %w", err)
	}
	file, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("kubelet: failed to make a log: %w", err)
	}
	return &logWriter{file: file}, nil
}

func (w *logWriter) Write(data []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.partial = append(w.partial, data...)
	end := bytes.LastIndexByte(w.partial, '\n') + 1
	if end == 0 {
		return len(data), nil
	}
	now := time.Now().UTC().Format(stamp)
	var lines bytes.Buffer
	for line := range bytes.Lines(w.partial[:end]) {
		fmt.Fprintf(&lines, "%s %s", now, line)
	}
	w.partial = append([]byte(nil), w.partial[end:]...)
	_, err := w.file.Write(lines.Bytes())
	return len(data), err
}

// Close stores a last line without an end and closes the file.
func (w *logWriter) Close() error {
	w.mu.Lock()
	unfinished := len(w.partial) > 0
	w.mu.Unlock()
	if unfinished {
		if _, err := w.Write([]byte("\n")); err != nil {
			return err
		}
	}
	return w.file.Close()
}

// logOptions are those of `kubectl logs`, as they arrive in the query of a request.
type logOptions struct {
	follow     bool
	previous   bool
	timestamps bool
	tail       int // lines; -1 means all
	since      time.Time
	limit      int64 // bytes; 0 means no limit
}

func parseLogOptions(query url.Values, now time.Time) (logOptions, error) {
	options := logOptions{
		follow: query.Get("follow") == "true", previous: query.Get("previous") == "true", timestamps: query.Get("timestamps") == "true", tail: -1,
	}
	var err error
	if text := query.Get("tailLines"); text != "" {
		if options.tail, err = strconv.Atoi(text); err != nil {
			return logOptions{}, fmt.Errorf("tailLines: %w", err)
		}
	}
	if text := query.Get("sinceSeconds"); text != "" {
		seconds, err := strconv.Atoi(text)
		if err != nil {
			return logOptions{}, fmt.Errorf("sinceSeconds: %w", err)
		}
		options.since = now.Add(-time.Duration(seconds) * time.Second)
	}
	if text := query.Get("sinceTime"); text != "" {
		if options.since, err = time.Parse(time.RFC3339, text); err != nil {
			return logOptions{}, fmt.Errorf("sinceTime: %w", err)
		}
	}
	if text := query.Get("limitBytes"); text != "" {
		if options.limit, err = strconv.ParseInt(text, 10, 64); err != nil {
			return logOptions{}, fmt.Errorf("limitBytes: %w", err)
		}
	}
	return options, nil
}

// logReader reads a log file as options ask. With follow it goes on until more reports false and the file has been read to its end.
type logReader struct {
	path    string
	options logOptions
	more    func() bool
}

// copyTo writes what there is to read to out, until ctx ends at most.
func (r logReader) copyTo(ctx context.Context, out io.Writer) error {
	file, err := os.Open(r.path)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // it was only read from
	options, skip := r.options, 0
	if options.tail >= 0 {
		data, err := io.ReadAll(file)
		if err != nil {
			return err
		}
		skip = max(0, bytes.Count(data, []byte("\n"))-options.tail)
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return err
		}
	}
	left := options.limit
	reader := bufio.NewReader(file)
	var partial string
	for {
		last := options.follow && !r.more() // asked before reading: what was written until now will be read
		line, err := reader.ReadString('\n')
		partial += line
		if err == io.EOF {
			if !options.follow || last || !pause(ctx, 100*time.Millisecond) {
				return nil
			}
			continue
		}
		if err != nil {
			return err
		}
		line, partial = partial, ""
		if skip > 0 {
			skip--
			continue
		}
		if written, err := time.Parse(stamp, line[:len(stamp)]); err == nil && written.Before(options.since) {
			continue
		}
		if !options.timestamps {
			line = line[len(stamp)+1:]
		}
		if options.limit > 0 {
			line = line[:min(int64(len(line)), left)]
			if left -= int64(len(line)); line == "" {
				return nil
			}
		}
		if _, err := io.Copy(out, strings.NewReader(line)); err != nil {
			return err
		}
	}
}
