// Package kube connects the product to the Kubernetes API: it watches objects,
// hands their parsed values to whoever decides, and writes back what was
// decided. It never decides itself, neither who gets an address nor who
// announces one.
//
// Two compositions share the plumbing: [RunController] watches Services and
// pools, asks package allocator and writes Service status; [RunSpeaker]
// watches the same and more, and feeds the node's loop. Writes are made only
// where the API server holds something else than what was decided, so that an
// idle cluster sees none.
package kube
