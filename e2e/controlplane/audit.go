package controlplane

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

const auditLog = "audit.log"

// Request is a request to the API server.
type Request struct {
	At          time.Time
	User        string // "system:serviceaccount:metallb-system:speaker"
	Verb        string // create, update, patch, delete, deletecollection, get, list, watch
	Resource    string // "services", "services/status"
	Namespace   string
	Name        string
	Code        int // of the response: 200, 409, …
	Agent       string
	APIGroup    string
	ResponseFor time.Duration // how long the server took
}

// Writes returns every request since the given time that asked for a change, oldest first.
func (a *APIServer) Writes(since time.Time) ([]Request, error) {
	requests, err := a.Requests(since)
	return slices.DeleteFunc(requests, func(r Request) bool { return slices.Contains([]string{"get", "list", "watch"}, r.Verb) }), err
}

// Requests returns every request since the given time that is recorded, oldest first: those that asked for a change, and those of the
// product.
func (a *APIServer) Requests(since time.Time) ([]Request, error) {
	file, err := os.Open(a.plane.authority.path(auditLog))
	if err != nil {
		return nil, fmt.Errorf("controlplane: failed to open the audit log: %w", err)
	}
	defer file.Close() //nolint:errcheck // it was only read from
	var requests []Request
	for lines := bufio.NewReader(file); ; {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return requests, nil // a line without an end is being written
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
		requests = append(requests, Request{
			At: event.Received, User: event.User.Username, Verb: event.Verb, Resource: resource, Namespace: event.ObjectRef.Namespace,
			Name: event.ObjectRef.Name, Code: event.ResponseStatus.Code, Agent: event.UserAgent, APIGroup: event.ObjectRef.APIGroup,
			ResponseFor: event.Answered.Sub(event.Received),
		})
	}
}
