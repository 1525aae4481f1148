package gobgp

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clarion-lb/clarion/bgp"
)

func TestNotification(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		say  bgp.Notification
		want bgp.Notification // as the other side hears it
	}{
		"hold timer expired": {
			bgp.Notification{Code: bgp.ErrorHoldTime},
			bgp.Notification{Code: bgp.ErrorHoldTime},
		},
		"data": {
			bgp.Notification{Code: bgp.ErrorHeader, Subcode: 3, Data: []byte{9}},
			bgp.Notification{Code: bgp.ErrorHeader, Subcode: 3, Data: []byte{9}},
		},
		"text": {
			bgp.Notification{Code: bgp.ErrorCease, Subcode: 2, Text: "node node-1 is leaving"},
			bgp.Notification{Code: bgp.ErrorCease, Subcode: 2, Text: "node node-1 is leaving"},
		},
		"text where none belongs": {
			bgp.Notification{Code: bgp.ErrorCease, Subcode: 10, Text: "BFD"},
			bgp.Notification{Code: bgp.ErrorCease, Subcode: 10},
		},
		"text of 300 octets": {
			bgp.Notification{Code: bgp.ErrorCease, Subcode: 4, Text: strings.Repeat("x", 300)},
			bgp.Notification{Code: bgp.ErrorCease, Subcode: 4, Text: strings.Repeat("x", 255)},
		},
		"no half a character": {
			bgp.Notification{Code: bgp.ErrorCease, Subcode: 2, Text: strings.Repeat("ü", 150)},
			bgp.Notification{Code: bgp.ErrorCease, Subcode: 2, Text: strings.Repeat("ü", 127)},
		},
		"text that is not UTF-8": {
			bgp.Notification{Code: bgp.ErrorCease, Subcode: 2, Text: "a\xffb"},
			bgp.Notification{Code: bgp.ErrorCease, Subcode: 2, Text: "a?b"},
		},
		"more data than fits": {
			bgp.Notification{Code: bgp.ErrorOpen, Data: make([]byte, 5000)},
			bgp.Notification{Code: bgp.ErrorOpen, Data: make([]byte, maxLen-minNotification)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, parseNotification(appendNotification(nil, tt.say)), equateAddrs()); diff != "" {
				t.Errorf("heard (-want +got):\n%s", diff)
			}
		})
	}
}
