#!/bin/bash
# An md mirror: both halves hold the same afterwards.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

make_mirror /dev/md0 5M
round /dev/md0
tracked_round /dev/md0
echo check >/sys/block/md0/md/sync_action
while [ "$(</sys/block/md0/md/sync_action)" != idle ]; do sleep 0.1; done
check "both halves are the same" test "$(</sys/block/md0/md/mismatch_cnt)" = 0
