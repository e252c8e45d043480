#!/bin/bash
# A whole SCSI disk with a serial number.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

make_scsi dev_size_mb=4 lbpu=1
round "${disks[0]}"
tracked_round "${disks[0]}"
