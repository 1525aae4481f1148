// Package metrics counts and exposes what operators watch, under the names
// MetalLB gave them, so that dashboards and alerts keep working. It never
// decides anything, and registers only where it is told to.
package metrics
