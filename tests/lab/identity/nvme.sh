#!/bin/bash
# Two namespaces of one NVMe controller have one serial number and are two disks.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

modprobe nvme
wait_for /dev/nvme0n1
wait_for /dev/nvme0n2
check "one serial number" cmp /sys/block/nvme0n1/device/serial /sys/block/nvme0n2/device/serial
fill /dev/nvme0n1
fill /dev/nvme0n2
first=$(file_as first /dev/nvme0n1)
second=$(file_as second /dev/nvme0n2)
check "two disks" distinct "$first" "$second"
save /dev/nvme0n2 "$work/second"
refused "the one's snapshot is not written to the other" rewind rollback /dev/nvme0n2 first
check "nothing was written" holds /dev/nvme0n2 "$work/second"
damage /dev/nvme0n1
check "rollback with the other one attached" rewind rollback /dev/nvme0n1 first
