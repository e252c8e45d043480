#!/bin/bash
# Sectors that cannot be read: a snapshot fails, and a rollback writes them, for they differ by definition.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

make_scsi dev_size_mb=4 medium_error_start=4660 medium_error_count=2
readable() { echo "$1" >/sys/bus/pseudo/drivers/scsi_debug/opts; }
device=${disks[0]}
fill "$device"
save "$device" "$work/before"
check "snapshot" rewind snapshot "$device" --name before
damage "$device"
put "$device" 582 1 # sectors 4656 to 4663
save "$device" "$work/damaged"
readable 2
blockdev --flushbufs "$device"
expect 1 "the sectors cannot be read" dd if="$device" of=/dev/null bs=512 skip=4660 count=1 iflag=direct
expect 4 "a snapshot fails" rewind snapshot "$device" --name damaged
# This disk cannot read them after they were written either: a rollback that reads back what it wrote fails,
# and is finished when the disk reads again.
status=0
rewind rollback "$device" before >"$work/said" 2>&1 || status=$?
readable 0
[ "$status" = 0 ] || rewind resume "$device" >>"$work/said" 2>&1 || sed 's/^/  # /' "$work/said"
check "a rollback writes them: the bytes are those of the snapshot" holds "$device" "$work/before"
