#!/usr/bin/env bash
# Runs a check if its tool is installed, otherwise skips it with a message.
#
#   tests/checks/with_tool.sh TOOL COMMAND...
set -euo pipefail
tool=$1
shift
command -v "$tool" >/dev/null || { echo "skipped: $tool is not installed"; exit 77; }
exec "$@"
