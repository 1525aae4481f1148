// Package pitfalls finds what on a node defeats announcements that are right in
// every object: a kernel that answers for the addresses of Services by itself. It
// never changes anything, and nothing that is decided depends on it.
//
//	find.go    the findings, from facts: pure
//	finder.go  when to look
package pitfalls
