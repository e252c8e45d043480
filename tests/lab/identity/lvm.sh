#!/bin/bash
# A snapshot and a copy of a logical volume are disks of their own; a volume that was renamed is the same.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

image "$work/image" 48M
make_loop "$work/image"
make_volume labvg volume 8M "$made"
fill /dev/labvg/volume
save /dev/labvg/volume "$work/before"
id=$(file_as before /dev/labvg/volume)
modprobe dm_snapshot
volume labvg -s -n frozen -L 8M labvg/volume
volume labvg -y -Zn -Wn -n copy -L 8M labvg
wait_for /dev/labvg/frozen
wait_for /dev/labvg/copy
dd if=/dev/labvg/volume of=/dev/labvg/copy bs=1M oflag=direct status=none
damage /dev/labvg/frozen
damage /dev/labvg/copy
for volume in frozen copy; do
  save "/dev/labvg/$volume" "$work/now"
  refused "the volume $volume is not written to" rewind rollback "/dev/labvg/$volume" before
  check "nothing was written to $volume" holds "/dev/labvg/$volume" "$work/now"
  check "$volume is a disk of its own" distinct "$id" "$(file_as "$volume" "/dev/labvg/$volume")"
done
quiet lvremove -y labvg/frozen
quiet lvrename labvg volume renamed
quiet vgmknodes labvg
damage /dev/labvg/renamed
check "rollback of the renamed volume" rewind rollback /dev/labvg/renamed before
check "the bytes are those of the snapshot" holds /dev/labvg/renamed "$work/before"
check "no other disk was made of it" test "$(value '.disks | length' list)" = 3
