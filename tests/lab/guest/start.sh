#!/bin/bash
# The first process of the lab's guest once its root is there: runs the job, says its exit status on the
# third serial line, and powers off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=${TERM:-dumb}
export LC_ALL=C.UTF-8
busybox ip link set lo up
ln -s /proc/self/fd /dev/fd
mkdir -p /dev/shm
mount -t tmpfs tmpfs /dev/shm
mount -t bpf bpf /sys/fs/bpf 2>/dev/null
hostname lab
stty -F /dev/ttyS2 raw 2>/dev/null
if grep -q lab.interactive=1 /proc/cmdline; then
  setsid -c bash /run/lab/job </dev/ttyS0 >/dev/ttyS0 2>&1
else
  stty -F /dev/ttyS1 raw
  bash /run/lab/job </dev/null >/dev/ttyS1 2>&1
fi
echo $? >/dev/ttyS2
stty -F /dev/ttyS2 raw # returns when what was written is out
sync
echo o >/proc/sysrq-trigger
sleep 60
