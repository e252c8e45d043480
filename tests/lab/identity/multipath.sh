#!/bin/bash
# The multipath device over two paths of one LUN is a disk of its own, told by its UUID under any name; its
# paths are in use meanwhile.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

make_scsi dev_size_mb=4 vpd_use_hostno=0
scsi_hosts 1
a=${disks[0]} b=${disks[1]}
modprobe dm_multipath
modprobe dm_round_robin
wwid=$(tail -c +7 "/sys/block/${a##*/}/device/wwid" 2>/dev/null || true)
multipath() { # NAME PATHS...
  local name=$1 paths
  shift
  paths=$(printf ' %s 1' "$@")
  dm "$name" "0 8192 multipath 0 0 1 1 round-robin 0 $# 1$paths" --uuid "mpath-3${wwid:-lab}"
}
multipath lab-mpath "$a" "$b"
later dm_gone lab-mpath
round "$made"
for path in "$a" "$b"; do
  refused "a path of it is in use" rewind snapshot "$path" --name path
done
damage "$made"
dm_gone lab-mpath
multipath lab-again "$b"
later dm_gone lab-again
check "rollback by the other path, under another name" rewind rollback "$made" before
check "the bytes are those of the snapshot again" holds "$made" "$work/before"
