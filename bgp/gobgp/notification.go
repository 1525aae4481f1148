package gobgp

import (
	"bytes"
	"unicode/utf8"

	packet "github.com/osrg/gobgp/v4/pkg/packet/bgp"

	"github.com/clarion-lb/clarion/bgp"
)

// maxText is the most octets of a shutdown communication (RFC 9003, section 2).
const maxText = 255

// hasText reports whether a NOTIFICATION carries a shutdown communication.
func hasText(code, subcode uint8) bool {
	return code == bgp.ErrorCease &&
		(subcode == packet.BGP_ERROR_SUB_ADMINISTRATIVE_SHUTDOWN || subcode == packet.BGP_ERROR_SUB_ADMINISTRATIVE_RESET)
}

// parseNotification reads a NOTIFICATION of two octets or more. A text whose
// length or encoding is wrong is no reason to ignore the rest (RFC 9003, section
// 2): it stays in Data as it came.
func parseNotification(body []byte) bgp.Notification {
	n := bgp.Notification{Code: body[0], Subcode: body[1]}
	data := body[2:]
	if len(data) > 0 && hasText(n.Code, n.Subcode) {
		length, text := int(data[0]), data[1:]
		if length <= len(text) && utf8.Valid(text[:length]) {
			n.Text = string(text[:length])
			data = text[length:]
		}
	}
	if len(data) > 0 {
		n.Data = bytes.Clone(data)
	}
	return n
}

// appendNotification appends the body of a NOTIFICATION, at most as long as a
// message may be.
func appendNotification(b []byte, n bgp.Notification) []byte {
	start := len(b)
	b = append(b, n.Code, n.Subcode)
	if n.Text != "" && hasText(n.Code, n.Subcode) {
		text := truncate(n.Text)
		b = append(b, byte(len(text)))
		b = append(b, text...)
	}
	room := maxLen - headerLen - (len(b) - start)
	return append(b, n.Data[:min(len(n.Data), room)]...)
}

// truncate returns as much of s as may be sent, without half a character at its
// end, and with nothing that is not UTF-8.
func truncate(s string) string {
	s = string(bytes.ToValidUTF8([]byte(s), []byte("?")))
	if len(s) <= maxText {
		return s
	}
	end := maxText
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}
