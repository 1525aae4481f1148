package gobgp

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	packet "github.com/osrg/gobgp/v4/pkg/packet/bgp"

	"github.com/clarion-lb/clarion/bgp"
)

// marker opens every message (RFC 4271, section 4.1).
const marker = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"

// The lengths of messages in octets, header included. A message may not be
// longer than 4096: we do not offer RFC 8654.
const (
	headerLen       = packet.BGP_HEADER_LENGTH
	maxLen          = packet.BGP_MAX_MESSAGE_LENGTH
	minOpen         = 29
	minUpdate       = 23
	minNotification = 21
	lenKeepalive    = 19
	lenRouteRefresh = 23 // RFC 2918, section 3
)

// receiver cuts a stream into messages.
type receiver struct {
	stream *bufio.Reader
	buffer [maxLen - headerLen]byte
	err    error // what ended it: after an error nobody knows where a message begins
}

func newReceiver(r io.Reader) *receiver {
	return &receiver{stream: bufio.NewReaderSize(r, 16*maxLen)}
}

// next waits for a message that is of interest.
func (r *receiver) next() (bgp.Message, error) {
	for r.err == nil {
		var m bgp.Message
		if m, r.err = r.message(); m != nil {
			return m, r.err
		}
	}
	return nil, r.err
}

// message reads the next message. It returns nil for one that concerns nobody.
func (r *receiver) message() (bgp.Message, error) {
	kind, length, err := r.header()
	if err != nil {
		return nil, err
	}
	if kind == packet.BGP_MSG_UPDATE { // not even looked at
		if _, err := r.stream.Discard(length); err != nil {
			return nil, lost(err)
		}
		return bgp.Heard{}, nil
	}
	body := r.buffer[:length]
	if _, err := io.ReadFull(r.stream, body); err != nil {
		return nil, lost(err)
	}
	switch kind {
	case packet.BGP_MSG_OPEN:
		return parseOpen(body)
	case packet.BGP_MSG_NOTIFICATION:
		return parseNotification(body), nil
	case packet.BGP_MSG_ROUTE_REFRESH:
		return parseRouteRefresh(body), nil
	default: // header lets nothing else through
		return bgp.Keepalive{}, nil
	}
}

// header reads a message's header and returns its type and the length of what
// follows, after the checks of RFC 4271, section 6.1.
func (r *receiver) header() (kind uint8, length int, err error) {
	h, err := r.stream.Peek(headerLen)
	if err != nil {
		if len(h) > 0 && errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, 0, lost(err)
	}
	if string(h[:len(marker)]) != marker {
		return 0, 0, headerError(packet.BGP_ERROR_SUB_CONNECTION_NOT_SYNCHRONIZED, nil,
			"something that is not BGP: the marker of a message is missing")
	}
	size := h[16:18]
	length, kind = int(binary.BigEndian.Uint16(size)), h[18]
	if length < headerLen || length > maxLen {
		return 0, 0, badLength(length)
	}
	var fits bool
	switch kind {
	case packet.BGP_MSG_OPEN:
		fits = length >= minOpen
	case packet.BGP_MSG_UPDATE:
		fits = length >= minUpdate
	case packet.BGP_MSG_NOTIFICATION:
		fits = length >= minNotification
	case packet.BGP_MSG_KEEPALIVE:
		fits = length == lenKeepalive
	case packet.BGP_MSG_ROUTE_REFRESH:
		fits = length == lenRouteRefresh // longer with RFC 5291, which we do not offer
	default:
		return 0, 0, headerError(packet.BGP_ERROR_SUB_BAD_MESSAGE_TYPE, []byte{kind},
			fmt.Sprintf("a message of unknown type %d", kind))
	}
	if !fits {
		return 0, 0, badLength(length)
	}
	_, err = r.stream.Discard(headerLen)
	return kind, length - headerLen, err
}

// badLength is the error for a length that cannot be; it goes back to the router.
func badLength(length int) error {
	return headerError(packet.BGP_ERROR_SUB_BAD_MESSAGE_LENGTH, binary.BigEndian.AppendUint16(nil, uint16(length)),
		fmt.Sprintf("a message with an impossible length of %d octets", length))
}

func headerError(subcode uint8, data []byte, problem string) error {
	return &bgp.MessageError{
		Notification: bgp.Notification{Code: bgp.ErrorHeader, Subcode: subcode, Data: data},
		Problem:      problem,
	}
}

// lost completes the sentence of an error of the stream.
func lost(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("bgp/gobgp: the router closed the connection: %w", err)
	}
	return fmt.Errorf("bgp/gobgp: failed to receive: %w", plain(err))
}

// parseRouteRefresh returns nil for a request that is not one for all routes of
// a family of ours: those of RFC 7313 and of other families are ignored, as
// RFC 2918, section 4, asks.
func parseRouteRefresh(body []byte) bgp.Message {
	const all = 0 // RFC 7313, section 3.2
	if body[2] != all {
		return nil
	}
	switch packet.NewFamily(binary.BigEndian.Uint16(body), body[3]) {
	case packet.RF_IPv4_UC:
		return bgp.RouteRefresh{}
	case packet.RF_IPv6_UC:
		return bgp.RouteRefresh{IPv6: true}
	default:
		return nil
	}
}
