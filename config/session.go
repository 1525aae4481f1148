package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/clarion-lb/clarion/api/v1beta2"
	"github.com/clarion-lb/clarion/bgp"
)

// session reads how to speak with one router; what is wrong with it is added
// to the problems. Of two spellings of a default it makes one, since another
// Session is another session.
func (p *problems) session(obj *v1beta2.BGPPeer, secrets []corev1.Secret) bgp.Session {
	spec := &obj.Spec
	out := bgp.Session{
		Port:            cmp.Or(spec.PeerPort, 179),
		Device:          spec.VRFName,
		RouterID:        p.routerID(spec.RouterID),
		ConnectRetry:    p.connectTime(spec),
		Password:        p.password(obj, secrets),
		MultiHop:        spec.EBGPMultiHop && spec.Interface == "", // a link is one hop
		GracefulRestart: spec.EnableGracefulRestart,
	}
	out.LocalASN, out.PeerASN, out.Kind = p.autonomousSystems(spec)
	out.Address, out.Source, out.Families = p.addresses(spec)
	out.HoldTime, out.Keepalive = p.timers(spec)
	return out
}

// autonomousSystems reads ours, as the router is shown it, and the router's.
func (p *problems) autonomousSystems(spec *v1beta2.BGPPeerSpec) (local, peer uint32, kind bgp.Kind) {
	if spec.MyASN == 0 {
		p.add("spec.myASN", "0", "must be between 1 and 4294967295")
	}
	local = cmp.Or(spec.LocalASN, spec.MyASN)
	switch spec.DynamicASN {
	case "":
		if spec.PeerASN == 0 {
			p.add("spec.peerASN", "", "neither peerASN nor dynamicASN is set: the autonomous system of the peer is needed")
		}
	case v1beta2.DynamicASNInternal:
		kind = bgp.Internal
	case v1beta2.DynamicASNExternal:
		kind = bgp.External
	default:
		p.add("spec.dynamicASN", string(spec.DynamicASN), `must be "internal" or "external"`)
	}
	if spec.DynamicASN != "" && spec.PeerASN != 0 {
		p.add("spec.dynamicASN", string(spec.DynamicASN), fmt.Sprintf("contradicts peerASN %d: set one of them", spec.PeerASN))
	}
	if spec.EBGPMultiHop && spec.PeerASN != 0 && spec.PeerASN == local {
		p.add("spec.ebgpMultiHop", "true", fmt.Sprintf("is for a peer of another autonomous system, and %d is our own", local))
	}
	return local, spec.PeerASN, kind
}

// addresses reads the two ends of the session, and from its family and from
// what the user asks, which routes it carries.
func (p *problems) addresses(spec *v1beta2.BGPPeerSpec) (peer, source netip.Addr, families bgp.Families) {
	if spec.SourceAddress != "" {
		var err error
		if source, err = parseAddr(spec.SourceAddress); err != nil {
			p.add("spec.sourceAddress", spec.SourceAddress, err.Error())
		}
	}
	both := bgp.Families{IPv4: true, IPv6: true}
	switch {
	case spec.PeerAddress == "" && spec.Interface == "":
		p.add("spec.peerAddress", "", "neither peerAddress nor interface is set: a way to reach the peer is needed")
		return peer, source, both
	case spec.PeerAddress != "" && spec.Interface != "":
		p.add("spec.interface", spec.Interface, fmt.Sprintf("contradicts peerAddress %s: set one of them", spec.PeerAddress))
		return peer, source, both
	case spec.Interface != "":
		if source.Is4() {
			p.add("spec.sourceAddress", spec.SourceAddress, "is IPv4, but a session by interface is IPv6")
		}
		return peer, source, both
	}

	peer, err := parseAddr(spec.PeerAddress)
	switch {
	case err != nil:
		p.add("spec.peerAddress", spec.PeerAddress, err.Error())
	case peer.IsUnspecified() || peer.IsMulticast():
		p.add("spec.peerAddress", spec.PeerAddress, "is not the address of a host")
	case peer.Is6() && peer.IsLinkLocalUnicast():
		p.add("spec.peerAddress", spec.PeerAddress, "is of one link only, and it is not said which: set interface instead")
	case source.IsValid() && FamilyOf(source) != FamilyOf(peer):
		p.add("spec.sourceAddress", spec.SourceAddress, fmt.Sprintf("is %s, but peerAddress %s is %s", FamilyOf(source), peer, FamilyOf(peer)))
	}
	if spec.DualStackAddressFamily {
		return peer, source, both
	}
	return peer, source, bgp.Families{IPv4: peer.Is4(), IPv6: peer.Is6()}
}

func (p *problems) routerID(text string) netip.Addr {
	if text == "" {
		return netip.Addr{}
	}
	id, err := parseAddr(text)
	if err != nil || !id.Is4() || id.IsUnspecified() {
		p.add("spec.routerID", text, "is not an IPv4 address other than 0.0.0.0")
	}
	return id
}

// timers reads holdTime and keepaliveTime, of which either makes the other: a
// hold time is three keepalives. Fractions of a second are cut, since an OPEN
// has no room for them (RFC 4271, section 4.2) and KEEPALIVEs come once per
// second at the most (section 4.4).
func (p *problems) timers(spec *v1beta2.BGPPeerSpec) (hold, keepalive time.Duration) {
	const longest = 65535 * time.Second

	if spec.KeepaliveTime != nil {
		keepalive = spec.KeepaliveTime.Duration
		hold = 3 * min(keepalive, longest)
	}
	if spec.HoldTime != nil {
		hold = spec.HoldTime.Duration
	}
	whole := hold.Truncate(time.Second)
	impossible := hold < 0 || whole == time.Second || whole == 2*time.Second || whole > longest
	switch {
	case spec.HoldTime == nil && spec.KeepaliveTime == nil:
		return 0, 0
	case keepalive < 0:
		p.add("spec.keepaliveTime", keepalive.String(), "must not be negative")
	case impossible && spec.HoldTime != nil:
		p.add("spec.holdTime", hold.String(), "must be 0s, or from 3s to 65535s")
	case impossible:
		p.add("spec.keepaliveTime", keepalive.String(), fmt.Sprintf("means a holdTime of %s, which must be 0s, or from 3s to 65535s", hold))
	case keepalive > hold:
		p.add("spec.keepaliveTime", keepalive.String(), fmt.Sprintf("is longer than holdTime %s", hold))
	case whole == 0:
		return bgp.NoHoldTime, 0
	}
	return whole, keepalive.Truncate(time.Second)
}

func (p *problems) connectTime(spec *v1beta2.BGPPeerSpec) time.Duration {
	if spec.ConnectTime == nil {
		return 0
	}
	d := spec.ConnectTime.Duration
	if d < time.Second || d > 65535*time.Second || d%time.Second != 0 {
		p.add("spec.connectTime", d.String(), "must be a whole number of seconds from 1s to 65535s")
	}
	return d
}

// password reads the key of the session from whichever of the two places has
// it. Line ends after it are cut: they come from the tool that made the Secret,
// and no router can be given a key that has one.
func (p *problems) password(obj *v1beta2.BGPPeer, secrets []corev1.Secret) bgp.Secret {
	const (
		longest = 80 // octets; what Linux takes (TCP_MD5SIG_MAXKEYLEN)
		field   = "spec.passwordSecret.name"
	)
	plain, ref := obj.Spec.Password, obj.Spec.PasswordSecret
	if ref == nil || ref.Name == "" {
		key := strings.TrimRight(plain, "\r\n")
		switch { // whatever is said, never the value
		case key == "" && plain != "":
			p.add("spec.password", "", "has nothing but line ends")
		case len(key) > longest:
			p.add("spec.password", "", fmt.Sprintf("is longer than %d octets", longest))
		}
		return bgp.Secret(key)
	}
	if plain != "" {
		p.add(field, ref.Name, "contradicts spec.password: set one of them")
		return ""
	}
	i := slices.IndexFunc(secrets, func(s corev1.Secret) bool {
		return s.Name == ref.Name && s.Namespace == obj.Namespace
	})
	if i < 0 {
		p.add(field, ref.Name, "there is no Secret of that name and of type kubernetes.io/basic-auth in the namespace of the peer")
		return ""
	}
	secret := &secrets[i]
	key := strings.TrimRight(string(secret.Data[corev1.BasicAuthPasswordKey]), "\r\n")
	switch {
	case secret.Type != corev1.SecretTypeBasicAuth:
		p.add(field, ref.Name, fmt.Sprintf("the Secret is of type %s, which must be %s", secret.Type, corev1.SecretTypeBasicAuth))
	case key == "":
		p.add(field, ref.Name, fmt.Sprintf("the Secret has nothing under the key %q", corev1.BasicAuthPasswordKey))
	case len(key) > longest:
		p.add(field, ref.Name, fmt.Sprintf("the password in the Secret is longer than %d octets", longest))
	}
	return bgp.Secret(key)
}
