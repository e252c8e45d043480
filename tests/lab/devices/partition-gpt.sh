#!/bin/bash
# A GPT partition of a SCSI disk with a serial number; what lies beside it stays as it is.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

make_scsi dev_size_mb=12
disk=${disks[0]}
fill "$disk"
partition "$disk" <<'END'
label: gpt
start=2048, size=4MiB
start=10240, size=4MiB
END
save "${disk}2" "$work/second"
round "${disk}1"
tracked_round "${disk}1"
check "the other partition is as it was" holds "${disk}2" "$work/second"
check "the table is as it was" sfdisk -q --verify "$disk"
