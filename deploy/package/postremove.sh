#!/bin/sh
# Databases in /var/lib/kvconnect stay, and so does the user that they belong to, whatever
# becomes of the package.
set -eu
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
fi
