package members

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	// followTime is how long the others are waited for before a new key is used
	// without them: more than twice what a kubelet takes to bring a Secret to its
	// node, a minute or two.
	followTime = 5 * time.Minute
	// retireTime is how long a key is still accepted once it is not used.
	retireTime = 5 * time.Minute
	// minKey is the least that may replace a key, in octets. What speakers start
	// with may be shorter, as with MetalLB.
	minKey = 16
)

// Rotation leads from one key to another while the speakers run. It decides and
// does nothing: pass what it says to List.SetKey, and to whoever shares the keys.
//
// A new key is accepted at once and used once all members say that they accept
// it, which they do by their cards; so the slowest of them sets the time, and not
// a constant. Who has not said so after five minutes is left behind. The old key
// is accepted for another five minutes.
//
// The empty key is plaintext. The way from there to a key is the same; there is
// none back.
type Rotation struct {
	used, wanted []byte
	since        time.Time // when the wanted one came
	old          []retired
}

// retired is a key that is still accepted.
type retired struct {
	key   []byte
	until time.Time
}

// Keys are what is to be used and accepted.
type Keys struct {
	// Files are the contents of key files: the first encrypts, all of them open.
	// An empty one is plaintext.
	Files [][]byte
	// Behind are the names of the members that do not accept the wanted key.
	Behind []string
	// Wait is how long this holds unless a card changes; 0: for good.
	Wait time.Duration
}

// NewRotation starts with the content of a key file, which may be empty.
func NewRotation(key []byte) *Rotation {
	return &Rotation{used: key, wanted: key}
}

// Want takes in what the key file holds now. A key that is none is refused, and
// nothing changes; the error finishes the sentence "the key is kept, because".
func (r *Rotation) Want(key []byte, now time.Time) error {
	switch {
	case bytes.Equal(key, r.wanted):
		return nil
	case len(key) == 0:
		return errors.New("the new one is empty or gone: to talk in plaintext, all speakers have to be started again without a key")
	case len(key) < minKey:
		return fmt.Errorf("the new one has %d octets, and needs %d at the least", len(key), minKey)
	}
	if !bytes.Equal(r.wanted, r.used) { // one that was never used, here
		r.retire(r.wanted, now)
	}
	r.wanted, r.since = key, now
	return nil
}

func (r *Rotation) retire(key []byte, now time.Time) {
	r.old = append(r.old, retired{key, now.Add(retireTime)})
}

// Keys goes as far as time and the members allow, and returns where that is.
// The members are those of List.Roster; while there are none, there is nobody to
// wait for.
func (r *Rotation) Keys(now time.Time, members []Member) Keys {
	var k Keys
	if !bytes.Equal(r.wanted, r.used) {
		for _, m := range members {
			if !slices.Contains(m.Card.Keys, mark(r.wanted)) {
				k.Behind = append(k.Behind, m.Name)
			}
		}
		if waited := now.Sub(r.since); len(k.Behind) == 0 || waited >= followTime {
			r.retire(r.used, now)
			r.used = r.wanted
		} else {
			k.Wait = followTime - waited
		}
	}
	r.old = slices.DeleteFunc(r.old, func(o retired) bool {
		return !now.Before(o.until) || bytes.Equal(o.key, r.used) || bytes.Equal(o.key, r.wanted)
	})

	k.Files = [][]byte{r.used}
	if !bytes.Equal(r.wanted, r.used) {
		k.Files = append(k.Files, r.wanted)
	}
	for _, o := range r.old {
		k.Files = append(k.Files, o.key)
		if left := o.until.Sub(now); k.Wait == 0 || left < k.Wait {
			k.Wait = left
		}
	}
	return k
}
