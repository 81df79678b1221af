#!/bin/sh
# Stops the service when the package is removed, not when it is replaced.
set -eu
if [ "${1:-}" = remove ] || [ "${1:-}" = 0 ]; then
  if [ -d /run/systemd/system ]; then
    systemctl disable --now kvconnect.service
  fi
fi
