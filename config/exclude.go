package config

import (
	"errors"
	"fmt"
	"regexp"

	"sigs.k8s.io/yaml"
)

// ParseExcludeList reads the excludel2.yaml of ConfigMap metallb-excludel2: a
// list announcedInterfacesToExclude of regular expressions for the names of
// interfaces that are never announced on. They match anywhere in a name unless
// they anchor themselves. An empty text excludes nothing. Expressions that cannot
// be read are left out, and the error names them.
func ParseExcludeList(text []byte) ([]*regexp.Regexp, error) {
	var file struct {
		Interfaces []string `json:"announcedInterfacesToExclude"`
	}
	if err := yaml.UnmarshalStrict(text, &file); err != nil {
		return nil, fmt.Errorf("config: failed to read the list of interfaces to exclude: %w", err)
	}
	var unread []error
	out := make([]*regexp.Regexp, 0, len(file.Interfaces))
	for i, expr := range file.Interfaces {
		re, err := regexp.Compile(expr)
		if err != nil {
			unread = append(unread, fmt.Errorf("config: announcedInterfacesToExclude[%d]: invalid value %q: %w", i, expr, err))
			continue
		}
		out = append(out, re)
	}
	return out, errors.Join(unread...)
}

// ShippedExcludeList returns the list that deploy/ brings: the interfaces of other
// software on a node. It stands in for one that cannot be read.
func ShippedExcludeList() []*regexp.Regexp {
	return []*regexp.Regexp{
		regexp.MustCompile(`^docker.*`), regexp.MustCompile(`^cbr.*`), regexp.MustCompile(`^dummy.*`), regexp.MustCompile(`^virbr.*`),
		regexp.MustCompile(`^lxcbr.*`), regexp.MustCompile(`^veth.*`), regexp.MustCompile(`^lo$`), regexp.MustCompile(`^cali.*`),
		regexp.MustCompile(`^tunl.*`), regexp.MustCompile(`^flannel.*`), regexp.MustCompile(`^kube-ipvs.*`), regexp.MustCompile(`^cni.*`),
		regexp.MustCompile(`^nodelocaldns.*`), regexp.MustCompile(`^lxc.*`),
	}
}
