#!/bin/bash
# Inside the guest: puts an ext4 file system at /lab. On the disk that scripts/lab attached with the serial
# lab-volume, where what is in it survives a reboot, else in memory.
set -eu
mkdir -p /lab
modprobe ext4
modprobe virtio_blk
modprobe loop max_loop=0
device=
for disk in /sys/block/vd*; do
  [ -e "$disk/serial" ] && [ "$(cat "$disk/serial")" = lab-volume ] && device=/dev/${disk##*/}
done
if [ -z "$device" ]; then
  truncate -s 512M /tmp/volume
  device=$(losetup --find --show /tmp/volume)
fi
blkid -p "$device" >/dev/null || mkfs.ext4 -q -E lazy_itable_init=0,nodiscard -O ^has_journal "$device"
mount "$device" /lab
[ -e /lab/random ] || dd if=/dev/urandom of=/lab/random bs=1M count=16 status=none
