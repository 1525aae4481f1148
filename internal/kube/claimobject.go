package kube

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/clarion-lb/clarion/allocator"
	"github.com/clarion-lb/clarion/config"
)

// A claim is a core IPAddress object named like the address. The API server
// looks after those it made for ClusterIPs, and leaves alone what carries
// another manager's label.
const (
	labelManagedBy = networkingv1.LabelManagedBy
	managedByUs    = "clarion"

	// annotationHolders lists who holds the address now. The object's parentRef
	// cannot change; it is whoever took the address first.
	annotationHolders = "metallb.io/holders"
	// annotationReleased is when the last holder left an address that is kept
	// for it, RFC 3339 in UTC.
	annotationReleased = "metallb.io/released"
	// annotationConflict is what a speaker says of a host outside the cluster that
	// uses the address.
	annotationConflict = "metallb.io/conflict"
)

// conflictText is annotationConflict.
type conflictText struct {
	MAC       string    `json:"mac"`
	Interface string    `json:"interface"`
	Node      string    `json:"node"`
	Since     time.Time `json:"since"`
	Heard     time.Time `json:"heard"`
}

// holderText is one entry of annotationHolders.
type holderText struct {
	Service   string   `json:"service"` // namespace/name
	Version   string   `json:"version"` // of the Service
	Requested bool     `json:"requested,omitempty"`
	Key       string   `json:"key,omitempty"`
	Backend   string   `json:"backend,omitempty"`
	Ports     []string `json:"ports,omitempty"` // TCP/80
}

// claimAnnotations says in annotations what a claim says. A merge patch with
// them removes what is nil.
func claimAnnotations(c allocator.Claim) (map[string]*string, error) {
	texts := make([]holderText, len(c.Holders))
	for i, h := range c.Holders {
		texts[i] = holderText{Service: h.Service.String(), Version: h.Version, Requested: h.Requested, Key: h.Key, Backend: h.Backend}
		for _, p := range h.Ports {
			texts[i].Ports = append(texts[i].Ports, p.Protocol+"/"+strconv.Itoa(int(p.Number)))
		}
	}
	raw, err := json.Marshal(texts)
	if err != nil {
		return nil, fmt.Errorf("kube: failed to write down the holders of %s: %w", c.Address, err)
	}
	holders := string(raw)
	out := map[string]*string{annotationHolders: &holders, annotationReleased: nil}
	if !c.Released.IsZero() {
		released := c.Released.UTC().Format(time.RFC3339)
		out[annotationReleased] = &released
	}
	out[annotationConflict], err = conflictAnnotation(c.Stranger)
	return out, err
}

// conflictAnnotation says who else uses an address; nil if nobody does.
func conflictAnnotation(by *allocator.Stranger) (*string, error) {
	if by == nil {
		return nil, nil //nolint:nilnil // in a merge patch nil removes
	}
	raw, err := json.Marshal(conflictText{
		MAC: by.MAC, Interface: by.Interface, Node: by.Node,
		Since: by.Since.UTC().Truncate(time.Second), Heard: by.Heard.UTC().Truncate(time.Second),
	})
	if err != nil {
		return nil, fmt.Errorf("kube: failed to write down a conflict: %w", err)
	}
	text := string(raw)
	return &text, nil
}

// newClaimObject returns the object of a claim that nobody has made yet.
func newClaimObject(c allocator.Claim) (*networkingv1.IPAddress, error) {
	annotations, err := claimAnnotations(c)
	if err != nil {
		return nil, err
	}
	obj := &networkingv1.IPAddress{
		ObjectMeta: metav1.ObjectMeta{
			Name:        c.Address.String(),
			Labels:      map[string]string{labelManagedBy: managedByUs},
			Annotations: map[string]string{},
		},
		Spec: networkingv1.IPAddressSpec{ParentRef: parentOf(c)},
	}
	for key, text := range annotations {
		if text != nil {
			obj.Annotations[key] = *text
		}
	}
	return obj, nil
}

// parentOf names who made a claim necessary: the first Service, or the node that
// heard a stranger.
func parentOf(c allocator.Claim) *networkingv1.ParentReference {
	if len(c.Holders) == 0 {
		return &networkingv1.ParentReference{Resource: "nodes", Name: c.Stranger.Node}
	}
	first := c.Holders[0].Service
	return &networkingv1.ParentReference{Resource: "services", Namespace: first.Namespace, Name: first.Name}
}

// parseClaim reads a claim. One of ours that was edited beyond recognition is
// as good as foreign: the address is in use, and by whom is for a person to say.
func parseClaim(obj *networkingv1.IPAddress) (allocator.Claim, error) {
	addr, err := netip.ParseAddr(obj.Name)
	if err != nil {
		return allocator.Claim{}, fmt.Errorf("kube: failed to read the name of IPAddress %s: %w", obj.Name, err)
	}
	c := allocator.Claim{Address: addr, Version: obj.ResourceVersion}
	if by := obj.Labels[labelManagedBy]; by != managedByUs {
		c.Foreign = foreignHolder(obj, "managed by "+strconv.Quote(by))
		return c, nil
	}
	if !readHolders(&c, obj.Annotations) {
		return allocator.Claim{Address: addr, Version: c.Version, Foreign: foreignHolder(obj, "whose annotations are unreadable")}, nil
	}
	c.Stranger = readConflict(obj.Annotations[annotationConflict])
	return c, nil
}

// readConflict reads what a speaker said of a stranger. What cannot be read is
// nothing: it would only keep an address back.
func readConflict(annotation string) *allocator.Stranger {
	var text conflictText
	if annotation == "" || json.Unmarshal([]byte(annotation), &text) != nil || text.MAC == "" {
		return nil
	}
	return &allocator.Stranger{MAC: text.MAC, Interface: text.Interface, Node: text.Node, Since: text.Since, Heard: text.Heard}
}

// readHolders reads what the annotations say into the claim, and reports
// whether that can be read.
func readHolders(c *allocator.Claim, annotations map[string]string) bool {
	var texts []holderText
	if json.Unmarshal([]byte(annotations[annotationHolders]), &texts) != nil {
		return false
	}
	for _, text := range texts {
		h, err := parseHolder(text)
		if err != nil {
			return false
		}
		c.Holders = append(c.Holders, h)
	}
	text, ok := annotations[annotationReleased]
	if !ok {
		return true
	}
	var err error
	c.Released, err = time.Parse(time.RFC3339, text)
	return err == nil
}

// foreignHolder names an owner that is none of ours, for a person.
func foreignHolder(obj *networkingv1.IPAddress, remark string) string {
	of := ""
	if p := obj.Spec.ParentRef; p != nil {
		of = " of " + p.Resource + " " + strings.TrimPrefix(p.Namespace+"/"+p.Name, "/")
	}
	return "IPAddress " + obj.Name + of + ", " + remark
}

func parseHolder(text holderText) (allocator.Holder, error) {
	namespace, name, ok := strings.Cut(text.Service, "/")
	h := allocator.Holder{
		Service: types.NamespacedName{Namespace: namespace, Name: name},
		Version: text.Version, Requested: text.Requested, Key: text.Key, Backend: text.Backend,
	}
	if !ok {
		return h, fmt.Errorf("kube: %q is not a namespace and a name", text.Service)
	}
	for _, p := range text.Ports {
		protocol, number, _ := strings.Cut(p, "/")
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil {
			return h, fmt.Errorf("kube: failed to read port %q: %w", p, err)
		}
		h.Ports = append(h.Ports, config.Port{Protocol: protocol, Number: uint16(n)})
	}
	return h, nil
}
