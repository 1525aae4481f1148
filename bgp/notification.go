package bgp

import "fmt"

// The subcodes of Cease (RFC 4486, RFC 9384) that this package sends.
const (
	ceaseShutdown     uint8 = 2
	ceaseDeconfigured uint8 = 3
	ceaseConfigChange uint8 = 6
	ceaseBFDDown      uint8 = 10
)

// The subcodes of an OPEN that cannot be accepted (RFC 4271, section 6.2).
const (
	openBadPeerAS   uint8 = 2
	openBadRouterID uint8 = 3
	openBadHoldTime uint8 = 6
)

// String returns what the notification means in the RFCs' words, such as
// Cease/Administrative Shutdown: "maintenance".
func (n Notification) String() string {
	code, subcodes := names(n.Code)
	s := code
	switch {
	case n.Subcode == 0:
	case int(n.Subcode) < len(subcodes) && subcodes[n.Subcode] != "":
		s += "/" + subcodes[n.Subcode]
	default:
		s += fmt.Sprintf("/%d", n.Subcode)
	}
	if n.Text != "" {
		s += fmt.Sprintf(": %q", n.Text)
	}
	return s
}

// names returns the name of an error code and those of its subcodes, as IANA
// lists them.
func names(code uint8) (string, []string) {
	switch code {
	case ErrorHeader:
		return "Message Header Error", []string{
			1: "Connection Not Synchronized", 2: "Bad Message Length", 3: "Bad Message Type",
		}
	case ErrorOpen:
		return "OPEN Message Error", []string{
			1: "Unsupported Version Number", openBadPeerAS: "Bad Peer AS", openBadRouterID: "Bad BGP Identifier",
			4: "Unsupported Optional Parameter", openBadHoldTime: "Unacceptable Hold Time",
			7: "Unsupported Capability", 11: "Role Mismatch",
		}
	case ErrorUpdate:
		return "UPDATE Message Error", []string{
			1: "Malformed Attribute List", 2: "Unrecognized Well-known Attribute", 3: "Missing Well-known Attribute",
			4: "Attribute Flags Error", 5: "Attribute Length Error", 6: "Invalid ORIGIN Attribute",
			8: "Invalid NEXT_HOP Attribute", 9: "Optional Attribute Error", 10: "Invalid Network Field",
			11: "Malformed AS_PATH",
		}
	case ErrorHoldTime:
		return "Hold Timer Expired", nil
	case ErrorState: // RFC 6608
		return "Finite State Machine Error", []string{
			1: "Unexpected Message in OpenSent", 2: "Unexpected Message in OpenConfirm",
			3: "Unexpected Message in Established",
		}
	case ErrorCease: // RFC 4486, RFC 8538, RFC 9384
		return "Cease", []string{
			1: "Maximum Number of Prefixes Reached", ceaseShutdown: "Administrative Shutdown",
			ceaseDeconfigured: "Peer De-configured", 4: "Administrative Reset", 5: "Connection Rejected",
			ceaseConfigChange: "Other Configuration Change", 7: "Connection Collision Resolution",
			8: "Out of Resources", 9: "Hard Reset", ceaseBFDDown: "BFD Down",
		}
	case errorRefresh:
		return "ROUTE-REFRESH Message Error", []string{1: "Invalid Message Length"}
	case errorSendHold:
		return "Send Hold Timer Expired", nil
	}
	return fmt.Sprintf("error %d", code), nil
}

// Error codes added after RFC 4271.
const (
	errorRefresh  uint8 = 7 // RFC 7313
	errorSendHold uint8 = 8 // RFC 9687
)
