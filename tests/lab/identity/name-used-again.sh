#!/bin/bash
# A disk with another serial number at a name that was used before is a new disk, and takes nothing away.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

make_scsi dev_size_mb=4 per_host_store=1
a=${disks[0]}
fill "$a"
id=$(file_as before "$a")
scsi_detach "$a"
scsi_hosts 1
check "the name is used again" test "${disks[0]}" = "$a"
fill "$a"
save "$a" "$work/now"
refused "the old snapshot is not written to it" rewind rollback "$a" before
check "nothing was written" holds "$a" "$work/now"
other=$(file_as other "$a")
check "it is a disk of its own" distinct "$id" "$other"
check "the old one has its snapshot" has_snapshots "$id" 1
check "the old one is not attached" is_not_attached "$id"
