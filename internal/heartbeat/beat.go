package heartbeat

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
)

// id stands for a node's name in packets.
type id uint64

func idOf(name string) id {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // which never fails
	return id(h.Sum64())
}

// beat is the one packet there is.
type beat struct {
	from id
	// seq grows with every packet, also over restarts: it starts as the time.
	seq uint64
	// echo is the last seq the sender has had from the receiver: proof that what
	// it says was said after that.
	echo uint64
	// watch asks the receiver for beats; reply asks for one at once.
	watch, reply bool
	// deaf tells that the sender hears nobody, and therefore answers for nothing.
	deaf bool
	// hears is one entry for each node the sender watches.
	hears []hearing
	// table is what the sender holds of the nodes.
	table []entry
}

// hearing says whether a watcher hears a node.
type hearing struct {
	node   id
	silent bool
}

// entry is a verdict on its way.
type entry struct {
	node id
	verdict
}

const (
	magic0, magic1 = 0xCB, 0x01 // nothing that memberlist sends begins so
	magicPlain     = 0x02       // without a key
	headerLen      = 2
	fixedLen       = 8*3 + 1 + 2 + 2
	hearingLen     = 9
	entryLen       = 8 + 4 + 1
	// maxEntries keeps a packet below 1,200 octets, which every path carries.
	maxEntries = 80
)

const (
	flagWatch = 1 << iota
	flagReply
	flagDeaf
)

// IsBeat reports whether a packet is one of this package's, so that it can
// share a port with others.
func IsBeat(packet []byte) bool {
	return len(packet) > headerLen && packet[0] == magic0 && (packet[1] == magic1 || packet[1] == magicPlain)
}

// append encodes b.
func (b *beat) append(out []byte) []byte {
	for _, v := range []uint64{uint64(b.from), b.seq, b.echo} {
		out = binary.BigEndian.AppendUint64(out, v)
	}
	var flags byte
	if b.watch {
		flags |= flagWatch
	}
	if b.reply {
		flags |= flagReply
	}
	if b.deaf {
		flags |= flagDeaf
	}
	hears, table := b.hears[:min(len(b.hears), maxEntries/4)], b.table[:min(len(b.table), maxEntries*3/4)]
	out = append(out, flags)
	out = binary.BigEndian.AppendUint16(out, uint16(len(hears)))
	out = binary.BigEndian.AppendUint16(out, uint16(len(table)))
	for _, h := range hears {
		out = binary.BigEndian.AppendUint64(out, uint64(h.node))
		silent := byte(0)
		if h.silent {
			silent = 1
		}
		out = append(out, silent)
	}
	for _, e := range table {
		out = binary.BigEndian.AppendUint64(out, uint64(e.node))
		out = binary.BigEndian.AppendUint32(out, e.number)
		out = append(out, byte(e.standing))
	}
	return out
}

var errShort = errors.New("heartbeat: the packet is of the wrong length")

// parse decodes what append made.
func parse(in []byte) (beat, error) {
	if len(in) < fixedLen {
		return beat{}, errShort
	}
	u64 := func(at int) uint64 { return binary.BigEndian.Uint64(in[at:]) }
	b := beat{from: id(u64(0)), seq: u64(8), echo: u64(16)}
	flags := in[24]
	if flags&^(flagWatch|flagReply|flagDeaf) != 0 {
		return beat{}, fmt.Errorf("heartbeat: unknown flags %#x", flags)
	}
	b.watch, b.reply, b.deaf = flags&flagWatch != 0, flags&flagReply != 0, flags&flagDeaf != 0
	hears, table := int(binary.BigEndian.Uint16(in[25:])), int(binary.BigEndian.Uint16(in[27:]))
	if len(in) != fixedLen+hears*hearingLen+table*entryLen {
		return beat{}, errShort
	}
	at := fixedLen
	for range hears {
		if in[at+8] > 1 {
			return beat{}, errors.New("heartbeat: a hearing is neither silent nor not")
		}
		b.hears = append(b.hears, hearing{node: id(u64(at)), silent: in[at+8] == 1})
		at += hearingLen
	}
	for range table {
		e := entry{node: id(u64(at)), verdict: verdict{
			number: binary.BigEndian.Uint32(in[at+8:]), standing: Standing(in[at+12]),
		}}
		if e.standing > last {
			return beat{}, fmt.Errorf("heartbeat: unknown standing %d", e.standing)
		}
		b.table = append(b.table, e)
		at += entryLen
	}
	return b, nil
}

// seals encrypt and authenticate packets with AES-256-GCM. The first seals, all
// of them open. One that is nil is no seal: its packets go in the clear.
type seals []cipher.AEAD

// newSeals derives a key of its own from each of memberlist's (RFC 5869), so
// that no packet of one protocol means anything in the other.
func newSeals(keys [][]byte) (seals, error) {
	var out seals
	for _, key := range keys {
		if len(key) == 0 {
			out = append(out, nil)
			continue
		}
		derived, err := hkdf.Key(sha256.New, key, nil, "clarion heartbeat", 32)
		if err != nil {
			return nil, fmt.Errorf("heartbeat: failed to derive a key: %w", err)
		}
		block, err := aes.NewCipher(derived)
		if err != nil {
			return nil, fmt.Errorf("heartbeat: failed to make a cipher: %w", err)
		}
		seal, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("heartbeat: failed to make a cipher: %w", err)
		}
		out = append(out, seal)
	}
	if len(out) == 0 {
		out = seals{nil}
	}
	return out, nil
}

// close encodes b for the wire.
func (s seals) close(b *beat) []byte {
	if s[0] == nil {
		return b.append([]byte{magic0, magicPlain})
	}
	header := []byte{magic0, magic1}
	return s[0].Seal(header, nil, b.append(nil), header[:headerLen:headerLen])
}

// errSealed is a packet sealed with another key, or not at all.
var errSealed = errors.New("heartbeat: the packet is not sealed with a key of this cluster")

// open decodes what close made.
func (s seals) open(packet []byte) (beat, error) {
	if !IsBeat(packet) {
		return beat{}, errShort
	}
	for _, seal := range s {
		switch plain := packet[1] == magicPlain; {
		case plain != (seal == nil):
		case plain:
			return parse(packet[headerLen:])
		default:
			if text, err := seal.Open(nil, nil, packet[headerLen:], packet[:headerLen]); err == nil {
				return parse(text)
			}
		}
	}
	return beat{}, errSealed
}

// sortEntries makes packets that say the same look the same.
func sortEntries(table []entry) {
	slices.SortFunc(table, func(a, b entry) int {
		switch {
		case a.node < b.node:
			return -1
		case a.node > b.node:
			return 1
		}
		return 0
	})
}
