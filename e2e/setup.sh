#!/bin/sh
# Makes sure that what the tests and the lab need from the system is there. It installs with apt on Debian and its kin, after saying
# what and why; elsewhere it says what to install. It does nothing if nothing is missing.
set -eu

# Distributions keep FRR's daemons in one of the last two, where only its own scripts look.
PATH="$PATH:/usr/sbin:/sbin:/usr/lib/frr:/usr/libexec/frr"

missing=""
reasons=""
need() { # command, package, what it is for
	command -v "$1" >/dev/null 2>&1 && return
	missing="$missing $2"
	reasons="$reasons
  $2: $3"
}

ip_package=iproute2
bird_package=bird
system=unknown
if [ -r /etc/os-release ]; then
	. /etc/os-release
	system="${ID:-} ${ID_LIKE:-}"
fi
case " $system " in
*" fedora "* | *" rhel "* | *" centos "*) ip_package=iproute ;;
*" debian "* | *" ubuntu "*) bird_package=bird2 ;;
esac

need ip "$ip_package" "builds and shows the network of the lab"
need nft nftables "kube-proxy forwards Services with it; the lab cuts traffic with it"
need curl curl "is the client in the demo"
need bgpd frr "is a router that Clarion talks BGP and BFD to in the tests"
need bird "$bird_package" "is the other one, so that no quirk of one is taken for the standard"
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

# The routers are wanted as programs. As services they would meddle with the routes of this machine, so they are kept from starting,
# now by the policy that Debian's packages ask, and at the next boot by being disabled.
policy=/usr/sbin/policy-rc.d
if ! [ -e "$policy" ]; then
	trap '$sudo rm -f "$policy"' EXIT
	trap 'exit 1' INT TERM
	printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
	$sudo chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
# shellcheck disable=SC2086 # one word per package
$sudo apt-get install -y -qq --no-install-recommends $missing
case "$missing " in *" frr "*) $sudo update-rc.d frr disable ;; esac
case "$missing " in *" bird2 "*) $sudo update-rc.d bird disable ;; esac
