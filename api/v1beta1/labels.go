package v1beta1

// The labels that ServiceL2Status, ServiceBGPStatus and ConfigurationState
// carry, so that they can be listed by what they are about.
const (
	// LabelNode is the name of the node a service status is about.
	LabelNode = "metallb.io/node"
	// LabelServiceName is the name of the Service a service status is about.
	LabelServiceName = "metallb.io/service-name"
	// LabelServiceNamespace is the namespace of that Service.
	LabelServiceNamespace = "metallb.io/service-namespace"

	// LabelComponentType is "controller" or "speaker", on ConfigurationState.
	LabelComponentType = "metallb.io/component-type"
	// LabelNodeName is the node of the speaker, on its ConfigurationState.
	LabelNodeName = "metallb.io/node-name"
)
