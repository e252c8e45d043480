#!/bin/bash
# A zram device.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

modprobe zram num_devices=0
number=$(</sys/class/zram-control/hot_add)
later "echo $number >/sys/class/zram-control/hot_remove"
echo 4M >"/sys/block/zram$number/disksize"
wait_for "/dev/zram$number"
round "/dev/zram$number"
# Before Linux 6.3 the kernel writes single pages to it without a bio.
if [[ $(uname -r) = 6.1.* ]]; then
  untracked() { ! rewind track start "$1" 2>"$work/said" && grep "cannot be tracked" "$work/said"; }
  check "track start says that it cannot be tracked" untracked "/dev/zram$number"
else
  tracked_round "/dev/zram$number"
fi
