#!/bin/bash
# Two disks that report one serial number and one WWN, both attached: neither is written to.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

make_scsi dev_size_mb=4 vpd_use_hostno=0 per_host_store=1
a=${disks[0]}
fill "$a"
id=$(file_as before "$a")
damage "$a"
scsi_hosts 1
b=${disks[1]}
fill "$b"
save "$a" "$work/a"
save "$b" "$work/b"
check "one WWN" cmp "/sys/block/${a##*/}/device/wwid" "/sys/block/${b##*/}/device/wwid"
refused "rollback of the first is refused" rewind rollback "$a" before
refused "rollback of the second is refused" rewind rollback "$b" before
refused "rollback by id is refused" rewind rollback "$id" before
refused "a snapshot of the second is refused" rewind snapshot "$b" --name wrong
refused "forgetting the second is refused" rewind disk forget "$b" --with-snapshots
check "the first is as it was" holds "$a" "$work/a"
check "the second is as it was" holds "$b" "$work/b"
check "the disk has its one snapshot" has_snapshots "$id" 1
check "adopt says which it is" rewind disk adopt "$id" "$a"
check "then it is rolled back" rewind rollback "$a" before
check "and the other is as it was" holds "$b" "$work/b"
other=$(file_as other "$b")
check "and can be a disk of its own" distinct "$id" "$other"
