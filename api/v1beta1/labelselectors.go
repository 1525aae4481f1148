package v1beta1

import "github.com/clarion-lb/clarion/api/v1beta2"

// LabelSelectors match what any of them matches. What an empty list means is
// up to the field.
type LabelSelectors = v1beta2.LabelSelectors
