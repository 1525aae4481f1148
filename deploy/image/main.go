package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func main() {
	err := run(os.Args[1:], os.Getenv, os.Stdout)

	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:forbidigo // this is main
	}
}

const usage = `Build the container image of Clarion from its static binaries, without Docker.

usage: image [flags]

It reads, for each platform,

    <binaries>/linux_amd64/controller    <binaries>/linux_amd64/speaker

and writes

    <output>/oci/                        the image for all platforms, an OCI layout
    <output>/clarion_linux_amd64.tar     one platform, for: docker load -i
                                         (or: kind load image-archive)

The programs stand at /controller and /speaker and run as user 65534; the speaker
carries the file capability cap_net_raw+ep. The same binaries give the same bytes:
every time in the image is that of SOURCE_DATE_EPOCH, in seconds since 1970 (not
set: 0).

flags:
`

// options are what the flags say.
type options struct {
	recipe
	output string
	ref    name.Tag
}

func run(args []string, getenv func(string) string, out io.Writer) error {
	o, err := parse(args, getenv, out)
	if err != nil {
		return err
	}

	images, err := o.build()
	if err != nil {
		return err
	}

	digest, err := write(o.output, o.ref, images)
	if err != nil {
		return err
	}

	_, err = fmt.Fprintf(out, "%s@%s\nfor %d platforms, in %s\n", o.ref, digest, len(images), o.output)

	return err
}

func parse(args []string, getenv func(string) string, out io.Writer) (options, error) {
	var (
		o                   options
		reference, platform string
	)

	f := flag.NewFlagSet("image", flag.ContinueOnError)
	f.SetOutput(io.Discard) // main prints errors, once
	f.StringVar(&o.binaries, "binaries", "", "`directory` of the binaries; required")
	f.StringVar(&o.output, "output", "", "`directory` to write to; required")
	f.StringVar(&reference, "name", "ghcr.io/clarion-lb/clarion:latest", "`name` of the image")
	f.StringVar(&platform, "platforms", "linux/amd64,linux/arm64", "`platforms` to build for, separated by commas")
	f.StringVar(&o.version, "version", "", "`version` to write into the labels")
	f.StringVar(&o.revision, "revision", "", "source `revision` to write into the labels")

	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		_, _ = io.WriteString(out, usage)

		f.SetOutput(out)
		f.PrintDefaults()

		return o, err
	} else if err != nil {
		return o, fmt.Errorf("image: %w; see --help", err)
	}

	if f.NArg() > 0 {
		return o, fmt.Errorf("image: unexpected argument %q", f.Arg(0))
	}

	if o.binaries == "" || o.output == "" {
		return o, errors.New("image: --binaries and --output are required; see --help")
	}

	return o, o.fill(reference, platform, getenv("SOURCE_DATE_EPOCH"))
}

// fill parses what is more than a string.
func (o *options) fill(reference, platforms, epoch string) error {
	var err error
	if o.ref, err = name.NewTag(reference, name.StrictValidation); err != nil {
		return fmt.Errorf("image: invalid --name: %w", err)
	}

	for p := range strings.SplitSeq(platforms, ",") {
		platform, err := v1.ParsePlatform(strings.TrimSpace(p))
		if err != nil || platform.Architecture == "" {
			return fmt.Errorf("image: invalid platform %q: want one such as linux/amd64", p)
		}

		o.platforms = append(o.platforms, *platform)
	}

	o.created, err = created(epoch)

	return err
}

// created is the time that stands for every time in the image
// (reproducible-builds.org, SOURCE_DATE_EPOCH).
func created(epoch string) (time.Time, error) {
	if epoch == "" {
		return time.Unix(0, 0).UTC(), nil
	}

	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil || seconds < 0 {
		return time.Time{}, fmt.Errorf("image: invalid SOURCE_DATE_EPOCH %q: want seconds since 1970", epoch)
	}

	return time.Unix(seconds, 0).UTC(), nil
}
