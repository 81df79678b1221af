#!/bin/sh
# Lets systemd know of the service. A new one is not started: it would listen on all
# addresses at once. One that runs goes on with the new program.
set -eu
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  systemctl try-restart kvconnect.service
fi
# deb: configure VERSION-BEFORE; rpm: the number of versions that are installed
if [ "${1:-}" = configure ] && [ -z "${2:-}" ] || [ "${1:-}" = 1 ]; then
  echo "kvconnect is installed. To start it, now and with the system: systemctl enable --now kvconnect"
fi
