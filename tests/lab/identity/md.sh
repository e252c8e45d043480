#!/bin/bash
# An md array is told by its UUID: assembled under another name it is the same, made anew it is another.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

make_mirror /dev/md0 5M
fill /dev/md0
save /dev/md0 "$work/before"
id=$(file_as before /dev/md0)
damage /dev/md0
mdadm --stop --quiet /dev/md0
later "md_gone /dev/md1"
mdadm --assemble --quiet /dev/md1 "${halves[@]}"
wait_for /dev/md1
check "rollback under another name" rewind rollback /dev/md1 before
check "the bytes are those of the snapshot" holds /dev/md1 "$work/before"
mdadm --stop --quiet /dev/md1
mdadm --create /dev/md0 --quiet --run --assume-clean --metadata=1.2 --level=1 --raid-devices=2 \
  --data-offset=1M "${halves[@]}"
wait_for /dev/md0
damage /dev/md0
save /dev/md0 "$work/now"
refused "made anew it is not written to" rewind rollback /dev/md0 before
check "nothing was written" holds /dev/md0 "$work/now"
check "it is a disk of its own" distinct "$id" "$(file_as other /dev/md0)"
