#!/bin/bash
# Two paths to one LUN, without multipath: refused on both, for each writes behind the other's cache.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

make_scsi dev_size_mb=4 vpd_use_hostno=0
a=${disks[0]}
fill "$a"
check "snapshot" rewind snapshot "$a" --name before
damage "$a"
scsi_hosts 1
b=${disks[1]}
save "$a" "$work/now"
check "both show one LUN" holds "$b" "$work/now"
refused "rollback by the first path is refused" rewind rollback "$a" before
refused "rollback by the second path is refused" rewind rollback "$b" before
check "nothing was written" holds "$a" "$work/now"
