#!/usr/bin/env bash
# Installs the SDKs of package-lock.json into FOLDER/node_modules, once: an installed lock is not installed
# again, so later runs need no network.
#
#   tests/sdk/install.sh FOLDER
#
# Exit status: 77 when the package registry cannot be reached; that is said loudly.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$1
mkdir -p "$folder"
stamp=$folder/installed
if [ -d "$folder/node_modules" ] && cmp -s "$here/package-lock.json" "$stamp"; then exit 0; fi

command -v npm >/dev/null || { echo "**** SKIPPED: npm is not installed (scripts/install-deps test) ****"; exit 77; }
rm -f "$stamp"
cp "$here/package.json" "$here/package-lock.json" "$folder"
log=$folder/npm.log
status=0
npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --no-update-notifier \
  --fetch-retries=1 --fetch-timeout=60000 >"$log" 2>&1 || status=$?
if [ "$status" = 0 ]; then
  cp "$here/package-lock.json" "$stamp"
  exit 0
fi
cat "$log" >&2
# Errors of the network, as npm names them; anything else (a wrong checksum above all) is a failure.
if grep -qE 'code (ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|E5[0-9][0-9]|ERR_SOCKET_TIMEOUT|FETCH_ERROR)' "$log"; then
  cat <<END

**********************************************************************
  SKIPPED: the package registry cannot be reached, so the published
  SDKs were NOT tried. Run tests/sdk/install.sh where it can be.
**********************************************************************
END
  exit 77
fi
exit 1
