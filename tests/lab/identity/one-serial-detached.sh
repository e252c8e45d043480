#!/bin/bash
# The other disk with the same serial number goes away: the one that is left is used again.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

make_scsi dev_size_mb=4 vpd_use_hostno=0 per_host_store=1
a=${disks[0]}
fill "$a"
save "$a" "$work/before"
check "snapshot" rewind snapshot "$a" --name before
damage "$a"
scsi_hosts 1
refused "rollback is refused while both are there" rewind rollback "$a" before
scsi_detach "${disks[1]}"
check "rollback when only one is there" rewind rollback "$a" before
check "the bytes are those of the snapshot" holds "$a" "$work/before"
