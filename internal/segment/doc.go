// Package segment makes hosts that are network namespaces, and cables between
// them, for tests that need real sockets with a real kernel at the other end. It
// touches nothing outside of what it makes, and is never part of a program.
//
// A test needs no root: Main sees to that. What a test makes ends with it, and
// what fails ends it.
package segment
