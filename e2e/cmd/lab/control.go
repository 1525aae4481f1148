package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

// A running lab listens on a Unix socket with an abstract name: nothing on a file system, and gone with the process. Whoever asks sends
// one request together with its standard input, output and error; the lab does the work right on those, and answers with an exit code.

type request struct {
	Verb string
	Host string   // for exec
	Args []string // for exec
	Dir  string   // the caller's working directory
}

const (
	verbExec   = "exec"
	verbStatus = "status"
	verbDown   = "down"
)

type response struct {
	Code  int
	Error string // why the request could not be carried out; "" if it was
}

func socketName(lab string) string { return fmt.Sprintf("@clarion-lab-%d-%s", os.Getuid(), lab) }

// listen takes the name of a lab. It must happen outside the sandbox: abstract names belong to a network namespace.
func listen(lab string) (*os.File, error) {
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: socketName(lab), Net: "unix"})
	if errors.Is(err, unix.EADDRINUSE) {
		return nil, fmt.Errorf("lab: a lab named %q is running already; `lab down` ends it, --name starts another", lab)
	}
	if err != nil {
		return nil, fmt.Errorf("lab: failed to listen for commands: %w", err)
	}
	defer listener.Close() //nolint:errcheck // its file stays open
	return listener.File()
}

func dial(lab string) (*net.UnixConn, error) {
	return net.DialUnix("unix", nil, &net.UnixAddr{Name: socketName(lab), Net: "unix"})
}

// exists reports whether there is a lab of this name, be it only about to start.
func exists(lab string) bool {
	conn, err := dial(lab)
	if err == nil {
		_ = conn.Close()
	}
	return err == nil
}

// ask sends a request to a lab and ends as the lab says.
func ask(lab string, r request) error {
	conn, err := dial(lab)
	if err != nil {
		return fmt.Errorf("lab: no lab named %q is running; `lab up` starts one", lab)
	}
	defer conn.Close() //nolint:errcheck // the answer says how it went
	if r.Dir, err = os.Getwd(); err != nil {
		return fmt.Errorf("lab: failed to find the working directory: %w", err)
	}
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("lab: failed to encode the request: %w", err)
	}
	files := unix.UnixRights(int(os.Stdin.Fd()), int(os.Stdout.Fd()), int(os.Stderr.Fd()))
	if _, _, err := conn.WriteMsgUnix(append(data, '\n'), files, nil); err != nil {
		return fmt.Errorf("lab: failed to ask the lab: %w", err)
	}
	var answer response
	if err := json.NewDecoder(conn).Decode(&answer); err != nil {
		return fmt.Errorf("lab: the lab ended before it answered: %w", err)
	}
	if answer.Error != "" {
		return errors.New(answer.Error)
	}
	return asError(answer.Code)
}

// handler carries out a request on the files of whoever asked. Its context ends when they go away.
type handler func(ctx context.Context, r request, files [3]*os.File) (code int, err error)

// serve answers requests until ctx ends.
func serve(ctx context.Context, socket *os.File, handle handler) error {
	listener, err := net.FileListener(socket)
	if err != nil {
		return fmt.Errorf("lab: failed to listen for commands: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	for {
		conn, err := listener.Accept()
		if err != nil {
			return nil // closed, because ctx ended
		}
		go answer(ctx, conn.(*net.UnixConn), handle)
	}
}

func answer(ctx context.Context, conn *net.UnixConn, handle handler) {
	defer conn.Close() //nolint:errcheck // the other end may be gone
	var reply response
	r, files, err := receive(conn)
	if err == nil {
		ctx, cancel := context.WithCancel(ctx)
		go func() { // whoever asked says nothing more, so an end of input means that they went away
			_, _ = conn.Read(make([]byte, 1))
			cancel()
		}()
		reply.Code, err = handle(ctx, r, files)
		cancel()
		for _, file := range files {
			_ = file.Close() // whoever asked has their own
		}
	}
	if err != nil {
		reply.Error = err.Error()
	}
	// Nobody is left to tell if this fails.
	_ = json.NewEncoder(conn).Encode(reply)
}

// receive reads a request and the three files that come with it, from the lab's own user or root only: abstract names have no
// permissions.
func receive(conn *net.UnixConn) (r request, files [3]*os.File, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return r, files, err
	}
	var peer *unix.Ucred
	if controlErr := raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); controlErr != nil {
		return r, files, controlErr
	}
	if err != nil {
		return r, files, err
	}
	if int(peer.Uid) != os.Getuid() && peer.Uid != 0 {
		return r, files, fmt.Errorf("lab: user %d may not use the lab of another", peer.Uid)
	}
	data, rights := make([]byte, 1<<20), make([]byte, unix.CmsgSpace(3*4))
	n, rightsLength, _, _, err := conn.ReadMsgUnix(data, rights)
	if err != nil {
		return r, files, err
	}
	messages, err := unix.ParseSocketControlMessage(rights[:rightsLength])
	if err != nil || len(messages) != 1 {
		return r, files, fmt.Errorf("lab: a request came without files")
	}
	descriptors, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(descriptors) != len(files) {
		return r, files, fmt.Errorf("lab: a request came with the wrong files")
	}
	for i, fd := range descriptors {
		unix.CloseOnExec(fd)
		files[i] = os.NewFile(uintptr(fd), [...]string{"stdin", "stdout", "stderr"}[i])
	}
	return r, files, json.Unmarshal(data[:n], &r)
}

// exitCodeOf returns the code of a command that ran, or the error of one that did not.
func exitCodeOf(err error) (int, error) {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), nil
	}
	return 0, err
}
