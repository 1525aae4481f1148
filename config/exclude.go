package config

import (
	"fmt"
	"regexp"

	"sigs.k8s.io/yaml"
)

// ParseExcludeList reads the excludel2.yaml of ConfigMap metallb-excludel2: a
// list announcedInterfacesToExclude of regular expressions for the names of
// interfaces that are never announced on. They match anywhere in a name unless
// they anchor themselves. An empty text excludes nothing.
func ParseExcludeList(text []byte) ([]*regexp.Regexp, error) {
	var file struct {
		Interfaces []string `json:"announcedInterfacesToExclude"`
	}
	if err := yaml.UnmarshalStrict(text, &file); err != nil {
		return nil, fmt.Errorf("config: failed to read the list of interfaces to exclude: %w", err)
	}
	out := make([]*regexp.Regexp, 0, len(file.Interfaces))
	for i, expr := range file.Interfaces {
		re, err := regexp.Compile(expr)
		if err != nil {
			return nil, fmt.Errorf("config: announcedInterfacesToExclude[%d]: invalid value %q: %w", i, expr, err)
		}
		out = append(out, re)
	}
	return out, nil
}
