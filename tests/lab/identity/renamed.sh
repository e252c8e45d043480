#!/bin/bash
# Disks whose names were swapped are told by their serial numbers, and their paths follow.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

make_scsi dev_size_mb=4 per_host_store=1
scsi_hosts 1
a=${disks[0]} b=${disks[1]}
fill "$a"
fill "$b"
save "$a" "$work/a"
save "$b" "$work/b"
id_a=$(file_as a "$a")
id_b=$(file_as b "$b")
check "two disks" distinct "$id_a" "$id_b"
host_a=$(scsi_host_of "$a") host_b=$(scsi_host_of "$b")
scsi_detach "$a"
scsi_detach "$b"
scsi_scan "$host_b"
scsi_scan "$host_a"
check "the names are swapped" holds "$a" "$work/b"
damage "$a"
damage "$b"
refused "not written to by its old name" rewind rollback "$a" a
check "rollback by id" rewind rollback "$id_a" a
check "wrote to the right one" holds "$b" "$work/a"
check "rollback by the new name" rewind rollback "$a" b
check "wrote to the right one, too" holds "$a" "$work/b"
check "the first disk's path followed" is_at "$id_a" "$b"
check "the second disk's path followed" is_at "$id_b" "$a"
