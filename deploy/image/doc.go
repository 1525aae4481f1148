// Command image builds the container image of the product from its static
// binaries, without a container engine: one image for several platforms, made
// from nothing, the same bytes every time. It never compiles and never uploads.
//
//	main.go     flags
//	image.go    an image per platform, and the index over them
//	layer.go    the one layer: the programs, and the capability of the speaker
//	program.go  what may go into it: static, and for that platform
//	output.go   what is written: an OCI layout and archives for `docker load`
//
// It is a module of its own so that its dependency stays out of the product's.
package main
