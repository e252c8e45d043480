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
