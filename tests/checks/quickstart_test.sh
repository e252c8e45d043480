#!/usr/bin/env bash
# Checks that the quickstart works, on a loop device or on an image file, and leaves nothing behind.
#
#   tests/checks/quickstart_test.sh loop|image PROGRAM
set -euo pipefail
where=$1
export BLKREWIND_PROGRAM=$2
root=$(cd "$(dirname "$0")/../.." && pwd)
PATH=$PATH:/usr/sbin:/sbin
TMPDIR=$(mktemp -d)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

arguments=()
[ "$where" = loop ] || arguments=(--image)
"$root/scripts/quickstart" "${arguments[@]}" >"$TMPDIR/out" 2>&1 || { cat "$TMPDIR/out"; exit 1; }
cat "$TMPDIR/out"
if [ "$where" = loop ] && grep -q '^NOT on a loop device' "$TMPDIR/out"; then
  echo "skipped: no loop devices here, so this was the same as the test on an image file"
  exit 77
fi
rm "$TMPDIR/out"
left=$(find "$TMPDIR" -mindepth 1)
[ -z "$left" ] || { echo "left behind: $left"; exit 1; }
if losetup --list --noheadings --output BACK-FILE | grep -qF "$TMPDIR"; then
  echo "left behind: a loop device"
  exit 1
fi
