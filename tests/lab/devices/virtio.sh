#!/bin/bash
# The virtio disks that were attached for it: with a serial number and without.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

found=0
for disk in /sys/block/vd*; do
  [ "$(<"$disk/serial")" = pass-serial ] || [ "$(<"$disk/size")" = 10240 ] || continue
  found=$((found + 1))
  round "/dev/${disk##*/}"
  tracked_round "/dev/${disk##*/}"
  store=$work/store-$found
done
check "both were there" test "$found" = 2
