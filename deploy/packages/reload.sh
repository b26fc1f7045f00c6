#!/bin/sh
# After the units were installed or removed. None is enabled or started.
if [ -z "${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]; then
  systemctl daemon-reload || true
fi
