#!/usr/bin/env bash
# Prepares a Debian machine for Decroche:
#
#   setup/install.sh run      what the line needs: Asterisk, its user, the voices, bin/decroche
#   setup/install.sh test     that, and what the tests need
#   setup/install.sh bench    that, and sipp
#   setup/install.sh renew    rebuilds the cached Asterisk, to take Debian's newest
#   setup/install.sh check    runs Asterisk -V the way the line will, and nothing else
#
# It may be run again at any time and does only what is missing. An Asterisk 20 or later
# that is installed on the machine is used; otherwise Debian's sid gives one, in a tree of
# its own below DECROCHE_CACHE which does not mix with the machine's packages. The tree is
# built under a temporary name and renamed when complete, so an interruption leaves nothing
# half-made. What every step printed is kept in DECROCHE_CACHE/install.log.
set -euo pipefail

purpose=${1:-}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${DECROCHE_CACHE:-/var/cache/decroche}
tree=$cache/asterisk-sid
oldest_asterisk=20
tree_needs_mib=2048

say() { printf '%s\n' "$*"; }
die() {
	printf 'decroche: %s\n' "$*" >&2
	exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# --- progress ----------------------------------------------------------------------------

# Steps are declared first and counted, so that each can say "2/5".
steps=()
step() { steps+=("$1|$2"); }

run_steps() {
	local i=0 entry title began
	for entry in "${steps[@]}"; do
		i=$((i + 1))
		title=${entry#*|}
		began=$SECONDS
		printf '[%d/%d] %s …\n' "$i" "${#steps[@]}" "$title"
		"${entry%%|*}"
		printf '[%d/%d] done in %d s\n' "$i" "${#steps[@]}" "$((SECONDS - began))"
	done
}

# logged runs a command with its output in the log, showing that it lives: a ticker on a
# terminal, a line every 20 s elsewhere. The lock's descriptor is closed in the command,
# or a daemon started by a package's script would hold the lock for ever.
ticker=
logged() {
	local failed=0
	printf '\n$ %s\n' "$*" >>"$log"
	tick & ticker=$!
	"$@" >>"$log" 2>&1 9>&- </dev/null || failed=$?
	stop_ticker
	return "$failed"
}

tick() {
	local began=$SECONDS every=20 nap=
	[ ! -t 1 ] || every=1
	# Its sleep is ended with it, or it would hold the terminal or the pipe for a while.
	trap 'kill "$nap" 2>/dev/null; exit 0' TERM INT
	# Ends with the shell that started it, even one that was killed.
	while kill -0 $$ 2>/dev/null; do
		sleep "$every" &
		nap=$!
		wait "$nap"
		if [ -t 1 ]; then
			printf '\r      %d s ' "$((SECONDS - began))"
		else
			printf '      %d s, still working: %s\n' "$((SECONDS - began))" "$(tail -n 1 "$log" | cut -c 1-80)"
		fi
	done
} 9>&-

stop_ticker() {
	[ -n "$ticker" ] || return 0
	kill "$ticker" 2>/dev/null || true
	wait "$ticker" 2>/dev/null || true
	ticker=
	[ ! -t 1 ] || printf '\r\033[K'
}

# failed ends with the end of the log, addresses' passwords taken out, then what to do.
failed() {
	tail -n 12 "$log" | sed -e 's#//[^/@ ]*@#//#' -e 's/^/      /' >&2
	die "$* The whole log is $log."
}

# --- what must be true before anything is touched ----------------------------------------

need_root() {
	[ "$(id -u)" = 0 ] ||
		die "root is needed to install packages and to run Asterisk as a user of its own: run it again with sudo, or as root."
}

need_debian() {
	local ID='' VERSION_ID='' PRETTY_NAME='an unknown system'
	# shellcheck source=/dev/null
	[ ! -r /etc/os-release ] || . /etc/os-release
	if [ "$ID" != debian ] || ! have apt-get; then
		die "this is $PRETTY_NAME, and the set-up knows Debian 12 or later only: install Asterisk $oldest_asterisk or later, sox and espeak-ng by your system's means and run 'make build && bin/decroche up', or use docker-compose.yml (docs/install.md)."
	fi
	# Testing and sid have no VERSION_ID.
	[ "${VERSION_ID:-99}" -ge 12 ] ||
		die "this is $PRETTY_NAME: Debian 12 or later is needed."
}

# sudo's path often lacks the folder Go's own installer writes to.
PATH=$PATH:/usr/sbin:/sbin:/usr/local/go/bin

need_go() {
	local wanted said
	wanted=$(awk '$1 == "go" { print $2 }' "$root/go.mod")
	have go || die "Go $wanted or later is needed and there is no 'go' in PATH: install it from go.dev/dl into /usr/local/go, or put its folder into PATH."
	# An older Go fetches the one go.mod asks for; when it cannot, this says why.
	said=$(cd "$root" && go version 2>&1) ||
		die "Go $wanted or later is needed; the installed one could neither do nor fetch it (${said##*$'\n'}): install it from go.dev/dl."
	said=$(cd "$root" && go env GOVERSION)
	[ "$(printf '%s\n' "$wanted" "${said#go}" | sort -V | head -n 1)" = "$wanted" ] ||
		die "Go $wanted or later is needed and this is ${said#go}: install it from go.dev/dl, or allow Go to fetch it (GOTOOLCHAIN=auto)."
}

# One installation at a time: a second waits for the first and then finds all done.
take_lock() {
	if ! { mkdir -p "$cache" && chmod 755 "$cache" && : >>"$cache/install.lock"; } 2>/dev/null; then
		die "the cache folder $cache cannot be written: free some room or set DECROCHE_CACHE to a folder that can."
	fi
	exec 9>>"$cache/install.lock"
	if ! flock -n 9; then
		say "another installation is running: waiting for it to end …"
		flock -w 1800 9 || die "another installation has held $cache/install.lock for 30 minutes: see what it does (fuser -v $cache/install.lock), stop it, and run this again."
	fi
	log=$cache/install.log
	{ : >"$log" && chmod 644 "$log"; } || die "$log cannot be written: is the disk full?"
}

# --- Debian packages ---------------------------------------------------------------------

# missing prints the packages that are not there, from lines "thing:package", where thing
# is a command or a pattern of files. Looking for things and not for packages lets the
# machine have them by other means, and costs no call to dpkg.
missing() {
	local pair thing
	for pair in "$@"; do
		thing=${pair%%:*}
		case $thing in
		/*) compgen -G "$thing" >/dev/null || printf '%s\n' "${pair#*:}" ;;
		*) have "$thing" || printf '%s\n' "${pair#*:}" ;;
		esac
	done
}

packages=()
list_packages() {
	local wanted=(/etc/ssl/certs/ca-certificates.crt:ca-certificates)
	if ! installed_asterisk && ! tree_ready; then
		wanted+=(debootstrap:debootstrap wget:wget
			/usr/share/keyrings/debian-archive-keyring.gpg:debian-archive-keyring)
	fi
	if [ "$purpose" = test ] || [ "$purpose" = bench ]; then
		# The race detector is C; the store is held against a PostgreSQL that the
		# tests start and stop themselves.
		wanted+=(gcc:gcc /usr/include/stdio.h:libc6-dev shellcheck:shellcheck
			'/usr/lib/postgresql/*/bin/initdb:postgresql')
		# Pages are held against real browsers, by scripts in Node.js.
		wanted+=(chromium:chromium firefox-esr:firefox-esr node:nodejs npm:npm)
		docker compose version >/dev/null 2>&1 || wanted+=(docker-compose:docker-compose)
	fi
	if [ "$purpose" = bench ]; then
		wanted+=(sipp:sip-tester)
	fi
	mapfile -t packages < <(missing "${wanted[@]}")
}

apt() { logged env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -q -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 "$@"; }

install_packages() {
	local no_cluster=/etc/postgresql-common/createcluster.d/decroche.conf
	apt update || true # A source of somebody else's may be broken; the install tells.
	case " ${packages[*]} " in *' postgresql '*)
		# Only the programs are wanted: without this, the package makes a database and starts it.
		mkdir -p "${no_cluster%/*}"
		echo 'create_main_cluster = false' >"$no_cluster"
		;;
	esac
	apt install -y --no-install-recommends "${packages[@]}" || {
		rm -f "$no_cluster"
		failed "apt-get could not install ${packages[*]}. Check the network, the proxy (apt's and http_proxy) and /etc/apt/sources.list*, then run this again."
	}
	rm -f "$no_cluster"
}

# --- Asterisk ----------------------------------------------------------------------------

# installed_asterisk says whether the machine has one of its own that will do.
installed_asterisk() {
	local said
	have asterisk && said=$(asterisk -V 2>/dev/null) || return 1
	said=${said#Asterisk }
	[[ ${said%%.*} =~ ^[0-9]+$ ]] && [ "${said%%.*}" -ge "$oldest_asterisk" ]
}

as_asterisk() { setpriv --reuid asterisk --regid asterisk --clear-groups "$@"; }

tree_ready() { [ -s "$tree/.decroche-ready" ]; }

# tree_asterisk runs the Asterisk of a tree by the tree's own loader and libraries, as the
# line does it: paths stay the machine's, so configuration and sounds need no copy.
tree_asterisk() {
	local in=$1 lib loader
	shift
	lib=$(compgen -G "$in/usr/lib/*-linux-gnu*" | head -n 1)
	loader=$(compgen -G "$in/usr/lib*/ld-linux*.so.*" | head -n 1) ||
		loader=$(compgen -G "$lib/ld-linux*.so.*" | head -n 1)
	as_asterisk "$loader" --library-path "$lib" "$in/usr/sbin/asterisk" "$@"
}

# mirrors prints, one a line, the addresses this machine has Debian's main from. apt reads
# its own sources, of either format; a list of mirrors is followed into its file.
mirrors() {
	# shellcheck disable=SC2016 # apt fills it in
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Component: main' 'Origin: Debian' 'Label: Debian' |
		sort -u | while read -r uri; do
		case $uri in
		mirror+file:*) awk '$1 ~ /^https?:/ { print $1 }' "/${uri#mirror+file:}" ;;
		*) printf '%s\n' "$uri" ;;
		esac
	done
}

# find_mirror sets mirror to the first that has Debian's sid.
find_mirror() {
	local uri
	for uri in $(mirrors); do
		if logged wget -q -T 20 -t 2 -O /dev/null "${uri%/}/dists/sid/InRelease"; then
			mirror=${uri%/}
			return 0
		fi
	done
	return 1
}

# with_proxy gives wget and the new tree's apt the proxies the machine's apt has.
with_proxy() {
	local proxy='' HTTP='' HTTPS=''
	eval "$(apt-config shell HTTP Acquire::http::Proxy HTTPS Acquire::https::Proxy)"
	proxy=${HTTP:-${http_proxy:-}}
	[ -z "$proxy" ] || export http_proxy=$proxy
	proxy=${HTTPS:-${https_proxy:-}}
	[ -z "$proxy" ] || export https_proxy=$proxy
}

# discard removes a tree. debootstrap may have been killed with /proc mounted in it: that
# is unmounted first, and rm stays on the one file system whatever happens.
discard() {
	[ -e "$1" ] || return 0
	awk -v below="$1/" 'index($2, below) == 1 { print $2 }' /proc/mounts | sort -r | while read -r point; do
		umount "$point" || umount -l "$point" || true
	done
	rm -rf --one-file-system "$1"
}

build_tree() {
	local new=$cache/asterisk-sid.new free apart=() extra=
	free=$(df -Pm "$cache" | awk 'NR == 2 { print $4 }')
	[ "$free" -ge "$tree_needs_mib" ] ||
		die "$cache has $free MiB free and the set-up of Asterisk needs $tree_needs_mib: free some, or set DECROCHE_CACHE to a folder on another disk."
	as_asterisk test -r "$cache/install.log" ||
		die "the user asterisk cannot read $cache: the folders above it must be open to all (chmod 755), or set DECROCHE_CACHE to a folder where they are."
	with_proxy
	if ! find_mirror; then
		apt update || true # A fresh machine has no lists yet.
		find_mirror || failed "None of this machine's Debian mirrors (/etc/apt/sources.list*) could be reached and has the suite sid. Check the network and the proxy, or install Asterisk $oldest_asterisk or later yourself."
	fi
	discard "$new"
	# In a mount name space of its own, what debootstrap mounts goes away with it.
	! unshare --mount true 2>/dev/null || apart=(unshare --mount)
	[[ $mirror != https:* ]] || extra=,ca-certificates
	logged "${apart[@]}" debootstrap --variant=minbase --include="debian-archive-keyring$extra" \
		--keyring=/usr/share/keyrings/debian-archive-keyring.gpg sid "$new" "$mirror" ||
		failed "debootstrap could not fetch Debian's sid. Check the network and the room on the disk, then run this again."
	# No service is to be started by the packages' scripts.
	printf '#!/bin/sh\nexit 101\n' >"$new/usr/sbin/policy-rc.d"
	chmod 755 "$new/usr/sbin/policy-rc.d"
	logged "${apart[@]}" chroot "$new" env DEBIAN_FRONTEND=noninteractive LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		apt-get -q -o Acquire::Retries=3 install -y --no-install-recommends asterisk ||
		failed "Asterisk could not be installed in its tree. Check the network and the room on the disk, then run this again."
	# The lists and the fetched packages are half of the tree. Nothing in it is ever run
	# with another user's rights, so nothing keeps the bit that would allow it.
	rm -rf "$new"/var/cache/apt/* "$new"/var/lib/apt/lists/*
	find "$new" -xdev -type f -perm /6000 -exec chmod ug-s {} +
	chmod 755 "$new"
	seal_tree "$new"
}

# seal_tree holds a new tree against what the line will do with it, then puts it in place.
seal_tree() {
	local new=$1 said
	said=$(tree_asterisk "$new" -V 2>>"$log") ||
		failed "Asterisk was fetched but does not run from $new as user asterisk. Is $cache on a disk mounted noexec? Then set DECROCHE_CACHE to another."
	printf '%s\n' "${said#Asterisk }" >"$new/.decroche-ready"
	discard "$tree.old"
	[ ! -e "$tree" ] || mv "$tree" "$tree.old"
	mv "$new" "$tree"
	discard "$tree.old"
	say "      Asterisk ${said#Asterisk }"
}

make_user() {
	id asterisk >/dev/null 2>&1 && return 0
	local group=(--user-group)
	! getent group asterisk >/dev/null || group=(--gid asterisk)
	logged useradd --system "${group[@]}" --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin \
		--comment 'Asterisk, for decroche' asterisk ||
		failed "the system user asterisk could not be created."
}

# --- voices, build -----------------------------------------------------------------------

voices_marker=$cache/voices-tried

# voices_ready is true when Pico is there, or when it was looked for in vain within a day.
voices_ready() {
	have sox && sox --help 2>/dev/null | grep -qw mp3 && have espeak-ng || return 1
	have pico2wave || [ -n "$(find "$voices_marker" -mmin -1440 2>/dev/null)" ]
}

install_voices() {
	logged sh "$root/speech/install-voices.sh" ||
		failed "no voice could be installed. Check the network and /etc/apt/sources.list*, then run this again."
	touch "$voices_marker"
	grep '^voices: ' "$log" | tail -n 1 | sed 's/^voices: /      /'
}

# --- what drives the browser --------------------------------------------------------------

browser=$cache/browser
browser_lock=$root/web/public/testdata/browser/package-lock.json

browser_ready() { cmp -s "$browser_lock" "$browser/package-lock.json"; }

# No script of a module is run: none of them fetches a browser of its own.
install_browser() {
	local new=$browser.new
	rm -rf "$new"
	mkdir -p "$new"
	cp "${browser_lock%/*}/package.json" "$browser_lock" "$new/"
	logged npm ci --prefix "$new" --ignore-scripts --no-audit --no-fund --no-update-notifier --cache "$cache/npm" ||
		failed "the modules that drive the browser could not be fetched. Check the network, and npm's registry and proxy (npm config), then run this again."
	rm -rf "$browser"
	mv "$new" "$browser"
}

# --- what reads the alert rules ------------------------------------------------------------

promtool=$cache/promtool

promtool_ready() { [ -x "$promtool/promtool" ]; }

# Of Debian's prometheus only this program is wanted: its package would start a server.
install_promtool() {
	local new=$promtool.new
	rm -rf "$new"
	mkdir -p "$new"
	apt update || true # A source of somebody else's may be broken; the download tells.
	(cd "$new" && apt download prometheus && dpkg-deb -x prometheus_*.deb tree) ||
		failed "promtool could not be fetched from Debian's package prometheus. Check the network, the proxy (apt's and http_proxy) and /etc/apt/sources.list*, then run this again."
	mv "$new/tree/usr/bin/promtool" "$new/promtool"
	rm -rf "$new/tree" "$new"/*.deb "$promtool"
	mv "$new" "$promtool"
}

build() {
	logged env -u MAKEFLAGS -u MAKELEVEL make --no-print-directory -C "$root" build ||
		failed "bin/decroche could not be built. When modules could not be fetched, check the network and GOPROXY."
}

# --- purposes ----------------------------------------------------------------------------

plan() {
	list_packages
	[ "${#packages[@]}" = 0 ] || step install_packages "Debian packages: ${packages[*]}"
	id asterisk >/dev/null 2>&1 || step make_user "the system user asterisk"
	installed_asterisk || tree_ready || step build_tree "Asterisk from Debian's sid, into $tree (about a minute and 300 MB)"
	voices_ready || step install_voices "the voices: SVOX Pico, espeak-ng, sox"
	if [ "$purpose" = test ] || [ "$purpose" = bench ]; then
		browser_ready || step install_browser "what drives the browser: playwright-core, axe-core"
		promtool_ready || step install_promtool "what reads the alert rules: promtool"
	fi
	step build "bin/decroche (the first build takes a minute or two)"
}

trap 'stop_ticker' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

case $purpose in
run | test | bench)
	need_root
	need_debian
	need_go
	take_lock
	plan
	run_steps
	;;
renew)
	need_root
	need_debian
	! installed_asterisk || die "this machine's own Asterisk is used: apt-get upgrade renews it."
	take_lock
	list_packages
	[ "${#packages[@]}" = 0 ] || step install_packages "Debian packages: ${packages[*]}"
	step make_user "the system user asterisk"
	step build_tree "Asterisk from Debian's sid, into $tree (about a minute and 300 MB)"
	run_steps
	say "Restart the line to use it."
	;;
check)
	need_root
	if installed_asterisk; then
		asterisk -V
	elif tree_ready; then
		tree_asterisk "$tree" -V
	else
		die "there is no Asterisk $oldest_asterisk or later, neither installed nor in $tree: run 'make run' or 'setup/install.sh renew'."
	fi
	;;
*) die "usage: setup/install.sh run|test|bench|renew|check" ;;
esac
