package gobgp

import "fmt"

// guarded calls f, which calls into the library, and makes an error of a panic
// in there: it must not cost more than the session. Whoever receives takes it for
// a message that cannot be read, whoever sends for one that cannot be encoded.
func guarded(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the packet library failed: %v", r)
		}
	}()
	return f()
}
