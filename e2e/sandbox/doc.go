// Package sandbox runs the calling program inside Linux namespaces of its own, so that whatever becomes of it the kernel
// removes all it made: processes, network devices, mounts. It never changes anything in the namespaces of the host.
//
// Run starts the program again, twice:
//
//	the caller      in the host's namespaces; waits, and passes signals on
//	└─ init         process 1 of the sandbox; prepares mounts, collects orphans
//	   └─ body      the same program once more; here, and only here, Run calls the body function
//
// The kernel kills a process namespace as a whole when its process 1 ends, and process 1 is tied to the caller's life, so
// there is no path, not even SIGKILL to any of the three, that leaves something behind.
//
// Inside, the program is root with every capability over the sandbox: as real root when the caller is root, otherwise through
// a user namespace in which only the caller's own user exists.
package sandbox
