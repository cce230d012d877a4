# Two images: Asterisk 22 from Debian's sid, and the controller with its voices. Both hold
# the same binary and run as user 7290 (decroche), so that they share the folder of sounds.
# docker-compose.yml says how they are run; docs/install.md how to begin.

FROM golang:1.26-bookworm AS build
# The image may be older than go.mod asks: then go fetches the right one.
ENV GOTOOLCHAIN=auto
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -buildvcs=false -trimpath -o /decroche ./cmd/decroche

FROM debian:sid-slim AS asterisk
# No service is to be started by the packages' scripts, which only know an init system.
RUN groupadd --gid 7290 decroche \
 && useradd --uid 7290 --gid 7290 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin decroche \
 && printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d \
 && apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends asterisk tzdata \
 && rm -rf /var/lib/apt/lists/* \
 # A named volume takes its owner from the folder it is first mounted on.
 && install -d -o decroche -g decroche -m 755 /var/lib/decroche /var/lib/decroche/sounds /var/lib/decroche/music \
 && install -d -o decroche -g decroche -m 750 /var/lib/decroche/asterisk \
 && install -d -o decroche -g decroche -m 700 /var/lib/decroche/secrets
COPY --from=build /decroche /usr/local/bin/decroche
ENV DECROCHE_CONFIG=/etc/decroche/decroche.yaml DECROCHE_DATA=/var/lib/decroche
USER 7290:7290
ENTRYPOINT ["decroche"]
CMD ["asterisk"]

FROM debian:bookworm-slim AS controller
COPY speech/install-voices.sh /tmp/install-voices.sh
RUN groupadd --gid 7290 decroche \
 && useradd --uid 7290 --gid 7290 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin decroche \
 && apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates curl tzdata \
 && sh /tmp/install-voices.sh \
 && rm -rf /var/lib/apt/lists/* /tmp/install-voices.sh \
 && install -d -o decroche -g decroche -m 755 /var/lib/decroche /var/lib/decroche/sounds /var/lib/decroche/music \
 && install -d -o decroche -g decroche -m 700 /var/lib/decroche/secrets
COPY --from=build /decroche /usr/local/bin/decroche
ENV DECROCHE_CONFIG=/etc/decroche/decroche.yaml DECROCHE_DATA=/var/lib/decroche
USER 7290:7290
ENTRYPOINT ["decroche"]
CMD ["serve"]
