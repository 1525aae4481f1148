package config

import (
	"cmp"
	"fmt"
	"strings"
)

// Problem is one reason why one object, or a part of it, is not in force. It
// reads as a sentence and is shown to the user wherever they look.
type Problem struct {
	// Kind, Namespace and Name identify the object: IPAddressPool,
	// metallb-system, public-ips.
	Kind, Namespace, Name string
	// Field is the path inside the object, in the notation of kubectl's own
	// errors: spec.addresses[1]. Empty when the object as a whole is meant.
	Field string
	// Value is the offending value as the user wrote it; may be empty.
	Value string
	// Reason says what is wrong with the value, in lower case.
	Reason string
}

// Error says object, field, value and reason in one line.
func (p Problem) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", p.Kind, p.Name)
	if p.Field != "" {
		fmt.Fprintf(&b, ": %s", p.Field)
	}
	if p.Value != "" {
		fmt.Fprintf(&b, ": invalid value %q", p.Value)
	}
	fmt.Fprintf(&b, ": %s", p.Reason)
	return b.String()
}

// compareProblems orders problems by object, then by field.
func compareProblems(a, b Problem) int {
	return cmp.Or(
		cmp.Compare(a.Kind, b.Kind),
		cmp.Compare(a.Namespace, b.Namespace),
		cmp.Compare(a.Name, b.Name),
		cmp.Compare(a.Field, b.Field),
		cmp.Compare(a.Reason, b.Reason),
	)
}
