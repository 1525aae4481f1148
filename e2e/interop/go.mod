module github.com/clarion-lb/clarion/e2e/interop

go 1.26.0

replace (
	github.com/clarion-lb/clarion => ../..
	github.com/clarion-lb/clarion/e2e => ..
)

require (
	github.com/clarion-lb/clarion v0.0.0
	github.com/clarion-lb/clarion/e2e v0.0.0
	github.com/google/go-cmp v0.7.0
)

require (
	github.com/osrg/gobgp/v4 v4.8.0 // indirect
	github.com/vishvananda/netlink v1.3.1 // indirect
	github.com/vishvananda/netns v0.0.5 // indirect
	golang.org/x/net v0.62.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)
