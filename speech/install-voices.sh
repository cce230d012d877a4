#!/bin/sh
# Installs the voices the prompts are synthesised with, on Debian:
#   SVOX Pico (libttspico-utils) out of Debian's non-free component, taken from the
#   same mirrors this machine already installs from; espeak-ng, the fallback voice;
#   sox, which reads the recordings operators bring.
# It asks nothing, may be run again at any time, and leaves the machine's list of
# sources as it is. Where Pico cannot be had it is asked for again a day later, or at
# once with --again. Exit 0: a voice is ready. Exit 1: none is; the message says why.
set -eu

say() { printf 'voices: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

have() { command -v "$1" >/dev/null 2>&1; }

# sox_reads says whether sox is there and reads MP3, which is a package of its own.
sox_reads() { have sox && sox --help 2>/dev/null | grep -qw mp3; }

# pico_works says whether Pico speaks French here: the program and its data.
pico_works() {
	have pico2wave || return 1
	pico_dir=$(mktemp -d)
	pico_ok=1
	if pico2wave -l fr-FR -w "$pico_dir/t.wav" -- "Bonjour." >/dev/null 2>&1 && [ -s "$pico_dir/t.wav" ]; then pico_ok=0; fi
	rm -rf "$pico_dir"
	return $pico_ok
}

if have espeak-ng && sox_reads && pico_works; then
	say "ready: SVOX Pico, espeak-ng and sox are installed"
	exit 0
fi

fallback="the prompts are spoken by espeak-ng, which is less pleasant to hear"
tried="${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/decroche/no-pico"
spoken_already() { have espeak-ng && sox_reads; }

if spoken_already && [ "${1-}" != --again ] && [ -n "$(find "$tried" -mtime -1 2>/dev/null)" ]; then
	say "SVOX Pico could not be had within the last day: $fallback (ask again: speech/install-voices.sh --again)"
	exit 0
fi
if ! have apt-get; then
	if spoken_already; then say "SVOX Pico is missing, and apt-get too: $fallback"; exit 0; fi
	die "this script installs with apt-get, which this machine lacks: install pico2wave (SVOX Pico) or espeak-ng, and sox, by its own means"
fi
if [ "$(id -u)" != 0 ]; then
	if spoken_already; then say "SVOX Pico is missing, and root is needed to install it: $fallback"; exit 0; fi
	die "root is needed to install libttspico-utils, espeak-ng and sox: run it again with sudo"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work" # apt reads it as user _apt
export DEBIAN_FRONTEND=noninteractive

# apt runs apt-get with time-outs, keeps what it says, and shows it when it fails.
apt() {
	apt-get -q -o Acquire::Retries=2 -o Acquire::http::Timeout=30 -o DPkg::Lock::Timeout=120 "$@" >"$work/log" 2>&1 || {
		sed 's/^/voices:   /; s#//[^/@ ]*@#//#' "$work/log" | tail -n 12 >&2
		return 1
	}
}

# known says whether apt has a version of the package to install.
known() { LC_ALL=C apt-cache policy "$1" 2>/dev/null | grep -q '^  Candidate: [^(]'; }

if ! spoken_already; then
	if ! { known espeak-ng && known libsox-fmt-mp3; }; then
		say "reading the lists of packages …"
		apt update || die "the lists of packages cannot be read: check the network and /etc/apt/sources.list*"
	fi
	say "installing espeak-ng and sox …"
	apt install -y --no-install-recommends espeak-ng sox libsox-fmt-mp3 ||
		die "espeak-ng and sox cannot be installed: see the lines above; on a machine whose lists are old, run 'apt-get update' first"
fi

# mirrors prints one line of sources per mirror this machine has Debian's main from,
# with the same signing key, and non-free as the component.
mirrors() {
	apt-get indextargets 'Created-By: Packages' 'Component: main' | awk '
		function flush() {
			if (uri != "" && suite != "" && origin == "Debian" && label == "Debian") {
				line = "deb " (key != "" ? "[signed-by=" key "] " : "") uri " " suite " non-free"
				if (!(line in seen)) { seen[line] = 1; print line }
			}
			uri = suite = key = origin = label = ""
		}
		/^$/ { flush() }
		/^Repo-URI: / { uri = $2 }
		/^Release: / { suite = $2 }
		/^Signed-By: / { key = $2 }
		/^Origin: / { origin = $2 }
		/^Label: / { label = $2 }
		END { flush() }'
}

install_pico() {
	if known libttspico-utils; then
		apt install -y --no-install-recommends libttspico-utils
		return
	fi
	mirrors >"$work/non-free.list"
	if ! [ -s "$work/non-free.list" ]; then
		say "reading the lists of packages …"
		apt update || return 1
		mirrors >"$work/non-free.list"
	fi
	[ -s "$work/non-free.list" ] || { say "this machine has no mirror of Debian in its sources"; return 1; }
	chmod 644 "$work/non-free.list"
	# First the lists of non-free alone, keeping all others; then the install, which
	# sees the machine's own sources too, for the libraries Pico stands on.
	apt -o Dir::Etc::sourcelist="$work/non-free.list" -o Dir::Etc::sourceparts=/dev/null \
		-o APT::Get::List-Cleanup=0 update || return 1
	if [ -f /etc/apt/sources.list ]; then cat /etc/apt/sources.list >>"$work/non-free.list"; fi
	apt -o Dir::Etc::sourcelist="$work/non-free.list" -o APT::Get::List-Cleanup=0 \
		install -y --no-install-recommends libttspico-utils
}

if ! pico_works; then
	say "installing SVOX Pico (Debian's non-free component) …"
	if install_pico && pico_works; then
		say "ready: SVOX Pico, espeak-ng and sox are installed"
		exit 0
	fi
	have espeak-ng || die "no voice could be installed"
	if mkdir -p "$(dirname "$tried")" 2>/dev/null; then : >"$tried" || true; fi
	say "SVOX Pico cannot be had from this machine's mirrors: $fallback"
	exit 0
fi
say "ready: SVOX Pico, espeak-ng and sox are installed"
