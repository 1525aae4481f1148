package gobgp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	packet "github.com/osrg/gobgp/v4/pkg/packet/bgp"

	"github.com/clarion-lb/clarion/bgp"
)

// framed returns the message with the given type and body.
func framed(kind uint8, body []byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte(marker), uint16(headerLen+len(body)))
	return append(append(b, kind), body...)
}

// header returns 19 octets that say they are of that type and length.
func header(kind uint8, length uint16) []byte {
	return append(binary.BigEndian.AppendUint16([]byte(marker), length), kind)
}

// result is what came of a stream.
type result struct {
	Messages     []bgp.Message
	Notification *bgp.Notification // of the *bgp.MessageError that ended it, if one did
}

// receive reads stream to its end.
func receive(t *testing.T, stream []byte) result {
	t.Helper()
	var got result
	r := newReceiver(bytes.NewReader(stream))
	for {
		m, err := r.next()
		if err == nil {
			got.Messages = append(got.Messages, m)
			continue
		}
		if _, again := r.next(); !errors.Is(again, err) {
			t.Errorf("after %v came %v", err, again)
		}
		if wrong, ok := errors.AsType[*bgp.MessageError](err); ok {
			got.Notification = &wrong.Notification
			if wrong.Problem == "" {
				t.Errorf("no word about what is wrong in %+v", wrong.Notification)
			}
		} else if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("unexpected error: %v", err)
		}
		return got
	}
}

func TestReceive(t *testing.T) {
	t.Parallel()
	keepalive := framed(packet.BGP_MSG_KEEPALIVE, nil)
	notification := func(code, subcode uint8, data ...byte) result {
		return result{Notification: &bgp.Notification{Code: code, Subcode: subcode, Data: data}}
	}
	messages := func(m ...bgp.Message) result { return result{Messages: m} }
	for name, tt := range map[string]struct {
		stream []byte
		want   result
	}{
		"nothing":                {nil, result{}},
		"half a header":          {keepalive[:10], result{}},
		"half a body":            {framed(packet.BGP_MSG_UPDATE, make([]byte, 100))[:50], result{}},
		"keepalive":              {keepalive, messages(bgp.Keepalive{})},
		"two keepalives":         {append(bytes.Clone(keepalive), keepalive...), messages(bgp.Keepalive{}, bgp.Keepalive{})},
		"not BGP":                {[]byte("GET / HTTP/1.1\r\nHost: router\r\n\r\n"), notification(1, 1)},
		"length 18":              {header(4, 18), notification(1, 2, 0, 18)},
		"length 0":               {header(4, 0), notification(1, 2, 0, 0)},
		"length 4097":            {header(2, 4097), notification(1, 2, 0x10, 1)},
		"keepalive with a body":  {framed(4, []byte{0}), notification(1, 2, 0, 20)},
		"short OPEN":             {framed(1, make([]byte, 9)), notification(1, 2, 0, 28)},
		"short UPDATE":           {framed(2, make([]byte, 3)), notification(1, 2, 0, 22)},
		"short NOTIFICATION":     {framed(3, make([]byte, 1)), notification(1, 2, 0, 20)},
		"short ROUTE-REFRESH":    {framed(5, make([]byte, 3)), notification(1, 2, 0, 22)},
		"ROUTE-REFRESH with ORF": {framed(5, make([]byte, 9)), notification(1, 2, 0, 28)},
		"type 0":                 {framed(0, nil), notification(1, 3, 0)},
		"type 255":               {framed(255, []byte("?")), notification(1, 3, 255)},
		"update":                 {framed(2, make([]byte, 4)), messages(bgp.Heard{})},
		"longest update":         {framed(2, make([]byte, maxLen-headerLen)), messages(bgp.Heard{})},
		"nonsense in an update":  {append(framed(2, []byte("nonsense")), keepalive...), messages(bgp.Heard{}, bgp.Keepalive{})},
		"refresh IPv4":           {framed(5, []byte{0, 1, 0, 1}), messages(bgp.RouteRefresh{})},
		"refresh IPv6":           {framed(5, []byte{0, 2, 0, 1}), messages(bgp.RouteRefresh{IPv6: true})},
		"refresh EVPN":           {append(framed(5, []byte{0, 25, 0, 70}), keepalive...), messages(bgp.Keepalive{})},
		"refresh begins":         {append(framed(5, []byte{0, 1, 1, 1}), keepalive...), messages(bgp.Keepalive{})},
		"refresh ends":           {append(framed(5, []byte{0, 1, 2, 1}), keepalive...), messages(bgp.Keepalive{})},
		"hold timer expired":     {framed(3, []byte{4, 0}), messages(bgp.Notification{Code: 4})},
		"text": {
			framed(3, []byte("\x06\x02\x0bmaintenance")),
			messages(bgp.Notification{Code: 6, Subcode: 2, Text: "maintenance"}),
		},
		"reset with text and more": {
			framed(3, []byte("\x06\x04\x02hi!")),
			messages(bgp.Notification{Code: 6, Subcode: 4, Text: "hi", Data: []byte("!")}),
		},
		"no text": {framed(3, []byte("\x06\x02\x00")), messages(bgp.Notification{Code: 6, Subcode: 2})},
		"text shorter than it says": {
			framed(3, []byte("\x06\x02\x0cmaintenance")),
			messages(bgp.Notification{Code: 6, Subcode: 2, Data: []byte("\x0cmaintenance")}),
		},
		"text that is not UTF-8": {
			framed(3, []byte("\x06\x02\x02\xff\xfe")),
			messages(bgp.Notification{Code: 6, Subcode: 2, Data: []byte("\x02\xff\xfe")}),
		},
		"text where none belongs": {
			framed(3, []byte("\x06\x06\x02hi")),
			messages(bgp.Notification{Code: 6, Subcode: 6, Data: []byte("\x02hi")}),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, receive(t, tt.stream), equateAddrs()); diff != "" {
				t.Errorf("received (-want +got):\n%s", diff)
			}
		})
	}
}

// TestReceiveMalformed sends what has brought down other speakers, or might: each
// either ends the session with the right NOTIFICATION, or does nothing at all.
func TestReceiveMalformed(t *testing.T) {
	t.Parallel()
	heard := result{Messages: []bgp.Message{bgp.Heard{}}}
	rejected := func(code, subcode uint8, data ...byte) result {
		return result{Notification: &bgp.Notification{Code: code, Subcode: subcode, Data: data}}
	}
	want := map[string]result{
		"OPEN bad cap":       rejected(2, 0),
		"OPEN GR short":      rejected(2, 0),
		"OPEN GR odd tuple":  rejected(2, 0),
		"OPEN MP short":      rejected(2, 0),
		"OPEN extnh short":   rejected(2, 0),
		"OPEN length lies":   rejected(2, 0),
		"unknown type 9":     rejected(1, 3, 9),
		"unknown type 0":     rejected(1, 3, 0),
		"OPEN version zero":  {Messages: []bgp.Message{plainOpen}},
		"OPEN FQDN over":     {Messages: []bgp.Message{plainOpen}},
		"OPEN addpath short": {Messages: []bgp.Message{plainOpen}},
	}
	for _, m := range malformed {
		expected, ok := want[m.name]
		if !ok {
			expected = heard
			if m.kind != packet.BGP_MSG_UPDATE {
				t.Errorf("%s: nothing is expected of it", m.name)
			}
		}
		if diff := cmp.Diff(expected, receive(t, m.message()), equateAddrs()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", m.name, diff)
		}
	}
}

func FuzzReceive(f *testing.F) {
	for _, m := range malformed {
		f.Add(m.message())
	}
	f.Add(framed(packet.BGP_MSG_NOTIFICATION, []byte("\x06\x02\x0bmaintenance")))
	f.Add(framed(packet.BGP_MSG_ROUTE_REFRESH, []byte{0, 2, 0, 1}))
	f.Add(framed(packet.BGP_MSG_OPEN, openBody(f, fullOpen)))
	f.Fuzz(func(t *testing.T, stream []byte) {
		got := receive(t, stream)
		if n := got.Notification; n != nil {
			// What is answered can be sent.
			b := appendNotification(nil, *n)
			if len(b) > maxLen-headerLen {
				t.Errorf("a NOTIFICATION of %d octets", len(b))
			}
			if n.Code != bgp.ErrorHeader && n.Code != bgp.ErrorOpen {
				t.Errorf("answered %+v", n)
			}
		}
		if len(got.Messages)*headerLen > len(stream) {
			t.Errorf("%d messages of %d octets", len(got.Messages), len(stream))
		}
	})
}

// BenchmarkReceiveFlood is a router that sends its full table at us.
func BenchmarkReceiveFlood(b *testing.B) {
	flood := bytes.Repeat(framed(packet.BGP_MSG_UPDATE, make([]byte, 1000)), 1000)
	b.SetBytes(int64(len(flood)))
	b.ReportAllocs()
	for b.Loop() {
		r := newReceiver(bytes.NewReader(flood))
		for {
			if _, err := r.next(); err != nil {
				break
			}
		}
	}
}

func TestErrorsFinishTheSentence(t *testing.T) {
	t.Parallel()
	for stream, want := range map[string]string{
		"":                             "bgp/gobgp: the router closed the connection: EOF",
		"HTTP/1.1 400 Bad Request\r\n": "bgp: the router sent something that is not BGP: the marker of a message is missing",
		string(framed(9, nil)):         "bgp: the router sent a message of unknown type 9",
		string(header(2, 5000)):        "bgp: the router sent a message with an impossible length of 5000 octets",
	} {
		_, err := newReceiver(strings.NewReader(stream)).next()
		if err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", stream, err, want)
		}
	}
}
