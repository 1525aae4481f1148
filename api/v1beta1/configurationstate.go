package v1beta1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ConfigurationState says what one process, the controller or the speaker of a
// node, thinks of the configuration it reads. The process writes it, and it goes
// with the Node of the speaker, or with the workload of the controller.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Result",type=string,JSONPath=`.status.result`
// +kubebuilder:printcolumn:name="ErrorSummary",type=string,JSONPath=`.status.errorSummary`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ConfigurationState struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	Status ConfigurationStateStatus `json:"status,omitempty"`
}

// ConfigurationStateStatus is the verdict and its grounds.
type ConfigurationStateStatus struct {
	// Result sums up the conditions.
	//
	// +optional
	Result ConfigurationResult `json:"result,omitempty"`

	// ErrorSummary holds the problems found, one per line. Empty when valid.
	//
	// +optional
	ErrorSummary string `json:"errorSummary,omitempty"`

	// Conditions tell what each part of the process found.
	//
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ConfigurationResult is the verdict of a process on its configuration.
//
// +kubebuilder:validation:Enum=Valid;Invalid;Unknown
type ConfigurationResult string

// The values of ConfigurationResult.
const (
	// ConfigurationValid says that every object is in force.
	ConfigurationValid ConfigurationResult = "Valid"
	// ConfigurationInvalid says that at least one object was refused.
	ConfigurationInvalid ConfigurationResult = "Invalid"
	// ConfigurationUnknown says that the configuration was not looked at yet.
	ConfigurationUnknown ConfigurationResult = "Unknown"
)

// The condition types and reasons of ConfigurationState.
const (
	// ConditionPoolReconcilerValid is the controller's verdict on the pools.
	ConditionPoolReconcilerValid = "poolReconcilerValid"
	// ConditionConfigReconcilerValid is a speaker's verdict on the configuration.
	ConditionConfigReconcilerValid = "configReconcilerValid"

	// ReasonReconciled is the reason of a condition that is True.
	ReasonReconciled = "Reconciled"
	// ReasonConfigurationError is the reason of a condition that is False because
	// of what a user wrote.
	ReasonConfigurationError = "ConfigurationError"
)

// ConfigurationStateList is a list of ConfigurationState.
//
// +kubebuilder:object:root=true
type ConfigurationStateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []ConfigurationState `json:"items"`
}
