#!/bin/bash
# Devices without any name of their own: made again in the same boot they are other disks.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

again() { # KIND DEVICE, after it was made again with other content
  damage "$2"
  save "$2" "$work/now"
  refused "$1: made again it is not written to" rewind rollback "$2" before
  check "$1: nothing was written" holds "$2" "$work/now"
  check "$1: it is a disk of its own" distinct "$id" "$(file_as other "$2")"
}

make_null lab 4
fill "$made"
id=$(file_as before "$made")
check "null_blk: itself while it is there" rewind rollback "$made" before
null_gone lab
make_null lab 4
fill "$made"
again null_blk "$made"

store=$work/store-zram
modprobe zram num_devices=0
number=$(</sys/class/zram-control/hot_add)
echo 4M >"/sys/block/zram$number/disksize"
wait_for "/dev/zram$number"
id=$(file_as before "/dev/zram$number")
echo "$number" >/sys/class/zram-control/hot_remove
number=$(</sys/class/zram-control/hot_add)
later "echo $number >/sys/class/zram-control/hot_remove"
echo 4M >"/sys/block/zram$number/disksize"
wait_for "/dev/zram$number"
again zram "/dev/zram$number"

store=$work/store-nbd
make_nbd "$work/first" 0 10810
fill "$made"
id=$(file_as before "$made")
was=$(</sys/block/nbd0/diskseq)
nbd_gone 0 10810
make_nbd "$work/second" 0 10811
fill "$made"
echo "  # nbd: diskseq $was before, $(</sys/block/nbd0/diskseq) now"
again nbd "$made"
