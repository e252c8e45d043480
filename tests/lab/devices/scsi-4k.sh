#!/bin/bash
# A SCSI disk with sectors of 4 KiB.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

make_scsi dev_size_mb=4 sector_size=4096 lbpu=1
round "${disks[0]}"
tracked_round "${disks[0]}"
