package controlplane

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"
)

const auditLog = "audit.log"

// Write is a request to the API server that asked it to change something.
type Write struct {
	At          time.Time
	User        string // "system:serviceaccount:metallb-system:speaker"
	Verb        string // create, update, patch, delete, deletecollection
	Resource    string // "services", "services/status"
	Namespace   string
	Name        string
	Code        int // of the response: 200, 409, …
	Agent       string
	APIGroup    string
	ResponseFor time.Duration // how long the server took
}

// Writes returns every request since the given time that asked for a change, oldest first.
func (a *APIServer) Writes(since time.Time) ([]Write, error) {
	file, err := os.Open(a.plane.authority.path(auditLog))
	if err != nil {
		return nil, fmt.Errorf("controlplane: failed to open the audit log: %w", err)
	}
	defer file.Close()
	var writes []Write
	for lines := bufio.NewReader(file); ; {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return writes, nil // a line without an end is being written
		}
		if err != nil {
			return nil, fmt.Errorf("controlplane: failed to read the audit log: %w", err)
		}
		var event struct {
			Verb, UserAgent string
			User            struct{ Username string }
			ObjectRef       struct{ Resource, Subresource, Namespace, Name, APIGroup string }
			ResponseStatus  struct{ Code int }
			Received        time.Time `json:"requestReceivedTimestamp"`
			Answered        time.Time `json:"stageTimestamp"`
		}
		if err := json.Unmarshal(line, &event); err != nil {
			return nil, fmt.Errorf("controlplane: failed to read the audit log: %w", err)
		}
		if event.Received.Before(since) {
			continue
		}
		resource := event.ObjectRef.Resource
		if event.ObjectRef.Subresource != "" {
			resource += "/" + event.ObjectRef.Subresource
		}
		writes = append(writes, Write{
			At: event.Received, User: event.User.Username, Verb: event.Verb, Resource: resource, Namespace: event.ObjectRef.Namespace,
			Name: event.ObjectRef.Name, Code: event.ResponseStatus.Code, Agent: event.UserAgent, APIGroup: event.ObjectRef.APIGroup,
			ResponseFor: event.Answered.Sub(event.Received),
		})
	}
}
