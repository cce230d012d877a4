#!/usr/bin/env bash
# Lays into docker/local what docker-compose.yml mounts: the configuration, begun as a copy
# of the demonstration's, and the secrets. What is there already is kept. With the argument
# "postgres" the configuration names the database of the profile postgres.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

die() {
	printf 'prepare: %s\n' "$*" >&2
	exit 1
}
case ${1:-} in '' | postgres) ;; *) die "usage: docker/prepare.sh [postgres]" ;; esac
[ "$(id -u)" = 0 ] || die "root is needed to give each secret to the user that reads it: run it with sudo."

user=7290 # in both images of the Dockerfile
postgres=999 # in the image postgres

if [ ! -e docker/local/etc/decroche.yaml ]; then
	mkdir -p docker/local/etc
	cp -R demo/. docker/local/etc/
fi
chmod -R a+rX,go-w docker/local/etc
chown -R "$user:$user" docker/local/etc # the controller writes what is published on the site
install -d -o "$user" -g "$user" -m 700 docker/local/secrets

# secret FILE OWNER VALUE
secret() {
	[ ! -s "docker/local/secrets/$1" ] || return 0
	(umask 077 && printf '%s\n' "$3" >"docker/local/secrets/$1")
	chmod 400 "docker/local/secrets/$1"
	chown "$2:$2" "docker/local/secrets/$1"
}
random() { head -c 24 /dev/urandom | base64 | tr '+/' '-_'; }

secret ari_password "$user" "$(random)"
secret database_password "$user" "$(random)"
secret postgres_password "$postgres" "$(cat docker/local/secrets/database_password)"

if [ "${1:-}" = postgres ]; then
	if grep -q '^database:' docker/local/etc/decroche.yaml; then
		printf 'The database that docker/local/etc/decroche.yaml names is kept.\n'
	else
		cat >>docker/local/etc/decroche.yaml <<'YAML'

# The profile postgres of docker-compose.yml, on this machine's loopback interface.
database: postgres://decroche@127.0.0.1:5433/decroche?sslmode=disable
database_password_file: /run/secrets/database_password
YAML
	fi
fi
printf 'docker/local is ready. Change docker/local/etc/decroche.yaml and the service it names as you need.\n'
