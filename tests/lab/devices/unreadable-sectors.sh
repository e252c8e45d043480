#!/bin/bash
# Sectors that cannot be read: a snapshot fails and names them, a rollback writes them, which heals them.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

modprobe dm_dust
image "$work/image" 4M
make_loop "$work/image"
dm lab-dust "0 8192 dust $made 0 512" --uuid LAB-dust
later dm_gone lab-dust
device=$made
fill "$device"
save "$device" "$work/before"
check "snapshot" rewind snapshot "$device" --name before
for sector in 4000 4001 6000; do dmsetup message lab-dust 0 addbadblock "$sector" >/dev/null; done
dmsetup message lab-dust 0 enable
unreadable() { ! dd if="$device" of=/dev/null bs=512 skip=4000 count=1 iflag=direct 2>/dev/null; }
fails_with_io() {
  local status=0
  rewind snapshot "$device" --name damaged >"$work/said" 2>&1 || status=$?
  cat "$work/said"
  [ "$status" = 4 ]
}
check "the sectors cannot be read" unreadable
check "a snapshot fails with status 4" fails_with_io
check "rollback writes them" rewind rollback "$device" before
check "they can be read, and the bytes are those of the snapshot" holds "$device" "$work/before"
