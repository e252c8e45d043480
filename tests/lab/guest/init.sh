#!/bin/busybox sh
# shellcheck shell=dash
# The first process of the lab's guest, in its initramfs: gets at the host's root and goes on there.
bb=/bin/busybox
$bb mount -t proc proc /proc
$bb mount -t sysfs sysfs /sys
$bb mount -t devtmpfs devtmpfs /dev
while read -r module; do
  $bb insmod "/modules/$module" || echo "lab: $module cannot be loaded"
done </modules/order

fail() {
  echo "lab: $*"
  $bb poweroff -f
}
$bb mkdir -p /host /layer /root
$bb mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=1048576 host /host ||
  fail "the host's root cannot be mounted"
$bb mount -t tmpfs tmpfs /layer
$bb mkdir -p /layer/upper /layer/work
$bb mount -t overlay -o lowerdir=/host,upperdir=/layer/upper,workdir=/layer/work overlay /root ||
  fail "the overlay cannot be mounted"
# A path below /root is looked up in the overlay: its own folders cover what the host has mounted there.
$bb mkdir -p /root/host /root/tmp /root/run /root/proc /root/sys /root/dev
$bb mount -t tmpfs -o mode=1777 tmpfs /root/tmp
$bb mount -t tmpfs -o mode=755 tmpfs /root/run
$bb mkdir -p /root/run/lab /root/lib/modules
$bb cp /job /start /root/run/lab/
modules=$($bb cat /modules-path)
$bb mount --move /host /root/host
$bb mount --move /dev /root/dev
$bb mount --move /sys /root/sys
$bb mount --move /proc /root/proc
$bb mount --bind "/root/host$modules" /root/lib/modules
exec $bb switch_root /root /bin/bash /run/lab/start
