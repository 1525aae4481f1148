#!/bin/sh
# Makes sure that what the tests and the lab need from the system is there. It installs with apt on Debian and its kin, after saying
# what and why; elsewhere it says what to install. It does nothing if nothing is missing.
set -eu

PATH="$PATH:/usr/sbin:/sbin"

missing=""
reasons=""
need() { # command, package, what it is for
	command -v "$1" >/dev/null 2>&1 && return
	missing="$missing $2"
	reasons="$reasons
  $2: $3"
}

ip_package=iproute2
system=unknown
if [ -r /etc/os-release ]; then
	. /etc/os-release
	system="${ID:-} ${ID_LIKE:-}"
fi
case " $system " in
*" fedora "* | *" rhel "* | *" centos "*) ip_package=iproute ;;
esac

need ip "$ip_package" "builds and shows the network of the lab"
need nft nftables "kube-proxy forwards Services with it; the lab cuts traffic with it"
need curl curl "is the client in the demo"
need nice coreutils "keeps long builds in the background"

[ -n "$missing" ] || exit 0

echo "Missing on this machine:$reasons"

case " $system " in
*" debian "* | *" ubuntu "*) ;;
*" fedora "* | *" rhel "* | *" centos "*)
	echo "Install with: sudo dnf install$missing"
	exit 1
	;;
*" arch "*)
	echo "Install with: sudo pacman -S$missing"
	exit 1
	;;
*" suse "* | *" opensuse "*)
	echo "Install with: sudo zypper install$missing"
	exit 1
	;;
*" alpine "*)
	echo "Install with: sudo apk add$missing"
	exit 1
	;;
*)
	echo "Install with the package manager of this system:$missing"
	exit 1
	;;
esac

sudo=""
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null 2>&1; then
		echo "Install as root with: apt-get install$missing"
		exit 1
	fi
	sudo=sudo
fi
echo "Installing with: ${sudo:+$sudo }apt-get install$missing"
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
# shellcheck disable=SC2086 # one word per package
$sudo apt-get install -y -qq --no-install-recommends $missing
