#!/bin/sh
# Makes the user that the server runs as.
set -eu
if ! getent passwd kvconnect >/dev/null; then
  nologin=/usr/sbin/nologin
  [ -x "$nologin" ] || nologin=/sbin/nologin
  useradd --system --user-group --home-dir /var/lib/kvconnect --no-create-home --shell "$nologin" \
    --comment "kvconnect server" kvconnect
fi
