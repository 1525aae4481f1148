package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"
)

// ParseExcludeList reads the excludel2.yaml of ConfigMap metallb-excludel2: a
// list announcedInterfacesToExclude of regular expressions for the names of
// interfaces that are never announced on. They match anywhere in a name unless
// they anchor themselves. An empty text excludes nothing.
//
// The error names what cannot be read. What can is returned with it: the other
// expressions, or, of a text that is no such list at all, the one that is shipped.
func ParseExcludeList(text []byte) ([]*regexp.Regexp, error) {
	var file struct {
		Interfaces []string `json:"announcedInterfacesToExclude"`
	}
	if err := yaml.UnmarshalStrict(text, &file); err != nil {
		return ShippedExcludeList(), fmt.Errorf("config: failed to read the list of interfaces to exclude: %w", err)
	}
	var unread []string
	out := make([]*regexp.Regexp, 0, len(file.Interfaces))
	for i, expr := range file.Interfaces {
		re, err := regexp.Compile(expr)
		if err != nil {
			unread = append(unread, fmt.Sprintf("announcedInterfacesToExclude[%d]: invalid value %q: %v", i, expr, err))
			continue
		}
		out = append(out, re)
	}
	if unread != nil {
		return out, errors.New("config: " + strings.Join(unread, "; "))
	}
	return out, nil
}

// ShippedExcludeList returns the list that deploy/ brings: the interfaces of other
// software on a node.
func ShippedExcludeList() []*regexp.Regexp {
	return []*regexp.Regexp{
		regexp.MustCompile(`^docker.*`), regexp.MustCompile(`^cbr.*`), regexp.MustCompile(`^dummy.*`), regexp.MustCompile(`^virbr.*`),
		regexp.MustCompile(`^lxcbr.*`), regexp.MustCompile(`^veth.*`), regexp.MustCompile(`^lo$`), regexp.MustCompile(`^cali.*`),
		regexp.MustCompile(`^tunl.*`), regexp.MustCompile(`^flannel.*`), regexp.MustCompile(`^kube-ipvs.*`), regexp.MustCompile(`^cni.*`),
		regexp.MustCompile(`^nodelocaldns.*`), regexp.MustCompile(`^lxc.*`),
	}
}
