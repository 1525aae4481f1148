package v1beta2

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// LabelSelectors match what any of them matches. What an empty list means is
// up to the field.
//
// ---
//
// Only the first eight expressions of a selector are judged: the API server
// reckons what a rule may cost at worst, and the list of expressions has no
// bound of its own. Package config judges all.
//
// +kubebuilder:validation:MaxItems=1024
// +kubebuilder:validation:items:XValidation:rule="!has(self.matchExpressions) || [0, 1, 2, 3, 4, 5, 6, 7].all(i, i >= self.matchExpressions.size() || self.matchExpressions[i].operator in ['In', 'NotIn', 'Exists', 'DoesNotExist'])",message="a match expression has an operator that is not In, NotIn, Exists or DoesNotExist"
// +kubebuilder:validation:items:XValidation:rule="!has(self.matchExpressions) || [0, 1, 2, 3, 4, 5, 6, 7].all(i, i >= self.matchExpressions.size() || (has(self.matchExpressions[i].values) && self.matchExpressions[i].values.size() > 0 ? !(self.matchExpressions[i].operator in ['Exists', 'DoesNotExist']) : !(self.matchExpressions[i].operator in ['In', 'NotIn'])))",message="a match expression has values that do not fit its operator: In and NotIn need some, Exists and DoesNotExist take none"
type LabelSelectors []metav1.LabelSelector
