# What the lab's tests share; sourced inside the guest, never run. Each test is one small script that makes
# devices and says what must hold. It is a process of its own, takes down what it made, and notes what came
# out of it in a file, which tests/lab/pass.sh counts.
# shellcheck shell=bash
set -Eeuo pipefail

kind=$(basename "$0" .sh)
: "${LAB_TOP:?these tests run in the guest that scripts/lab boots}"
: "${BLKREWIND:=$LAB_TOP/build/test/cli/blkrewind}"
: "${LAB_RESULTS:=/run/lab/results}"
unset BLKREWIND_STORE
[ -e "$BLKREWIND" ] || BLKREWIND=/host$BLKREWIND # one below this machine's /tmp

# No udev runs in the guest: these tools make their nodes themselves.
export DM_DISABLE_UDEV=1 LVM_SUPPRESS_FD_WARNINGS=1 LVM_SYSTEM_DIR=$LAB_TOP/tests/lab/lvm

# The folder of this test: its store and its image files, on an ext4 file system.
work=/lab/$kind
rm -rf "$work"
mkdir -p "$work"
store=$work/store

# Commands that undo what the test set up, the last one first.
undo_commands=()
later() { undo_commands=("$*" ${undo_commands[@]+"${undo_commands[@]}"}); }
finish() {
  local status=$? command
  trap - EXIT
  set +e
  if [ "$status" -ne 0 ]; then
    note "not ok" "cannot be set up: its script ended with status $status"
  fi
  for command in ${undo_commands[@]+"${undo_commands[@]}"}; do
    eval "$command" >"/tmp/$kind.undo" 2>&1 || sed 's/^/  # taken down: /' "/tmp/$kind.undo"
  done
  rm -rf "$work"
  exit 0
}
trap finish EXIT
trap 'echo "  # $kind: line $LINENO: $BASH_COMMAND"' ERR

note() {
  printf '%s %s: %s\n' "$1" "$kind" "$2"
  printf '%s\n' "$1" >>"$LAB_RESULTS"
}

# Prints what a command said only when it failed.
quiet() {
  "$@" >"/tmp/$kind.quiet" 2>&1 || { sed 's/^/  # /' "/tmp/$kind.quiet" && return 1; }
}

rewind() { "$BLKREWIND" --store "$store" "$@"; }

# expect STATUS WHAT COMMAND...: the command ends with that exit status.
expect() {
  local wanted=$1 what=$2 status=0
  shift 2
  "$@" >"/tmp/$kind.out" 2>&1 || status=$?
  if [ "$status" = "$wanted" ]; then
    note ok "$what"
  else
    note "not ok" "$what: status $status instead of $wanted: $*"
    sed 's/^/  # /' "/tmp/$kind.out"
  fi
}
check() { expect 0 "$@"; }
# Refused by a precondition, or the device's disk has no such snapshot.
refused() { expect 3 "$@"; }

# A value of a command's JSON, or nothing: value FILTER ARGUMENTS...
value() {
  local filter=$1
  shift
  rewind --json "$@" 2>/dev/null | jq -r "$filter // empty" || true
}
# The id of the disk that a new snapshot of DEVICE is filed under: file_as NAME DEVICE
file_as() { value .disk_id snapshot "$2" --name "$1"; }
# Both are ids, and different ones.
distinct() { [ -n "$1" ] && [ -n "$2" ] && [ "$1" != "$2" ]; }
same_disk() { [ -n "$1" ] && [ "$1" = "$2" ]; }
path_of() { rewind --json list | jq -r --arg id "$1" '.disks[] | select(.disk_id == $id) | .path'; }
snapshots_of() { rewind --json list | jq -r --arg id "$1" '.disks[] | select(.disk_id == $id) | .snapshots | length'; }
attached() { rewind --json list | jq -r --arg id "$1" '.disks[] | select(.disk_id == $id) | .attached'; }
is_at() { [ "$(path_of "$1")" = "$2" ] || { echo "the disk $1 is at $(path_of "$1")" && false; }; }
has_snapshots() { [ "$(snapshots_of "$1")" = "$2" ] || { echo "the disk $1 has $(snapshots_of "$1")" && false; }; }
is_not_attached() { [ "$(attached "$1")" = false ] || { rewind --json list | jq -c . && false; }; }

# What a device holds, without the page cache: a device of any sector size, or a file.
content_of() { dd if="$1" bs=1M iflag=direct status=none; }
save() { content_of "$1" >"$2"; }
holds() { content_of "$1" | cmp - "$2"; }

# Bytes that are not the same twice: fill DEVICE
fill() {
  dd if=/lab/random of="$1" bs=1M skip=$((RANDOM % 8)) count="$(($(size_of "$1") >> 20))" \
    iflag=fullblock oflag=direct conv=notrunc status=none
}
size_of() { if [ -b "$1" ]; then blockdev --getsize64 "$1"; else stat -c %s "$1"; fi; }

# Damage as software does it: at the ends, across chunks, in one sector, and zeroes.
damage() {
  local device=$1 blocks
  blocks=$(($(size_of "$device") / 4096))
  put "$device" 0 1
  put "$device" 37 75
  put "$device" $((blocks / 2)) 16 /dev/zero
  put "$device" $((blocks - 2)) 2
  blockdev --flushbufs "$device" 2>/dev/null || sync
}
put() {
  dd if="${4:-/dev/urandom}" of="$1" bs=4096 seek="$2" count="$3" conv=notrunc,fsync status=none
}

# round DEVICE: snapshot, damage, rollback, undo, each compared byte for byte.
round() {
  local device=$1
  fill "$device"
  save "$device" "$work/before"
  check "snapshot" rewind snapshot "$device" --name before
  damage "$device"
  save "$device" "$work/damaged"
  check "rollback, with everything read again" rewind rollback "$device" before --paranoid
  check "the bytes are those of the snapshot" holds "$device" "$work/before"
  check "undo" rewind undo "$device"
  check "the bytes are those before the rollback" holds "$device" "$work/damaged"
  check "verify" rewind verify
}

# tracked_round DEVICE [NAME], after round: only what the kernel saw change is read.
tracked_round() {
  local device=$1 name=${2:-tracked} source
  check "track start" rewind track start "$device"
  later "'$BLKREWIND' --store '$store' -q track stop '$device' >/dev/null 2>&1 || true"
  save "$device" "$work/before"
  check "snapshot, tracked" rewind snapshot "$device" --name "$name"
  damage "$device"
  save "$device" "$work/damaged"
  source=$(value .change_source rollback "$device" "$name" --paranoid)
  check "rollback by the bitmap, with everything read again" test "$source" = bitmap
  check "the bytes are those of the tracked snapshot" holds "$device" "$work/before"
  check "undo, tracked" rewind undo "$device"
  check "the bytes are those before the tracked rollback" holds "$device" "$work/damaged"
  check "track stop" rewind track stop "$device"
}

wait_for() {
  local tries=100
  until [ -e "$1" ] && { [ ! -b "$1" ] || [ "$(blockdev --getsize64 "$1" 2>/dev/null || echo 0)" -gt 0 ]; }; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || { echo "  # $1 does not come" && return 1; }
    sleep 0.1
  done
}

# Loads the controller's namespaces, and prints the node of one: namespace 1|2. The kernel looks for both at once
# (since 6.12), so the number in a node's name is not that of its namespace.
namespace() {
  local node
  modprobe nvme
  wait_for /dev/nvme0n1 && wait_for /dev/nvme0n2
  for node in /sys/block/nvme0n*; do
    [ "$(<"$node/nsid")" != "$1" ] || echo "/dev/${node##*/}"
  done
}

image() { truncate -s "$2" "$1"; }

# The functions that make devices leave the node in `made`.
made=
make_loop() { # FILE [LOSETUP OPTIONS...]
  local file=$1
  shift
  made=$(losetup --find --show "$@" "$file")
  later "losetup -d $made"
}

# scsi_debug, loaded anew: its disks in `disks`, in the order of their names. Their serial numbers and WWNs
# are made of the host's number unless vpd_use_hostno=0.
disks=()
make_scsi() {
  modprobe sd_mod
  modprobe scsi_debug delay=0 max_queue=64 "$@"
  later "sync; modprobe -r scsi_debug"
  scsi_settle
}
scsi_settle() {
  local tries=50 devices nodes
  while :; do
    devices=$(find /sys/bus/scsi/devices/ -name '*:*:*:*' | wc -l)
    nodes=$(find /sys/block/ -name 'sd*' | wc -l)
    if [ "$devices" -gt 0 ] && [ "$devices" = "$nodes" ]; then break; fi
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || { echo "  # $nodes of $devices SCSI disks came" && return 1; }
    sleep 0.1
  done
  disks=()
  local disk
  for disk in /sys/block/sd*; do
    wait_for "/dev/${disk##*/}"
    disks+=("/dev/${disk##*/}")
  done
}
scsi_hosts() { echo "$1" >/sys/bus/pseudo/drivers/scsi_debug/add_host && { [ "$1" -lt 0 ] || scsi_settle; }; }
scsi_host_of() { basename "$(realpath "/sys/block/${1##*/}/device/../..")"; }
scsi_detach() { # NODE
  echo 1 >"/sys/block/${1##*/}/device/delete"
  while [ -e "/sys/block/${1##*/}" ]; do sleep 0.1; done
}
scsi_scan() { echo "- - -" >"/sys/class/scsi_host/$1/scan" && scsi_settle; }

# partition DEVICE: the table from standard input, as sfdisk reads it. Not partx -u: it adds a partition before
# it has removed the old ones that are in its way.
partition() {
  sfdisk -q --no-reread --no-tell-kernel --wipe always "$1" 2>&1 | sed 's/^/  # /'
  partx -d "$1" 2>/dev/null || true
  partx -a "$1" 2>/dev/null || true
  wait_for "/sys/block/${1##*/}/$(basename "$(partition_node "$1" 1)")"
}
partition_node() { case $1 in *[0-9]) echo "$1p$2" ;; *) echo "$1$2" ;; esac; }

dm() { # NAME TABLE [DMSETUP OPTIONS...]
  local name=$1 table=$2
  shift 2
  modprobe dm_mod
  dmsetup create "$name" "$@" --table "$table"
  made=/dev/mapper/$name
  wait_for "$made"
}
dm_gone() { [ ! -e "/dev/mapper/$1" ] || dmsetup remove --retry "$1"; }
unmount() { ! mountpoint -q "$1" || umount "$1"; }
sectors() { echo $(($(blockdev --getsize64 "$1") / 512)); }

make_null() { # NAME MIB
  local folder=/sys/kernel/config/nullb/$1
  modprobe configfs
  mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
  modprobe null_blk nr_devices=0
  mkdir "$folder"
  echo 1 >"$folder/memory_backed"
  echo "$2" >"$folder/size"
  echo 512 >"$folder/blocksize"
  echo 1 >"$folder/power"
  made=/dev/nullb$(<"$folder/index")
  [ -e "$made" ] || made=/dev/$1
  wait_for "$made"
  later "null_gone $1"
}
null_gone() {
  [ ! -e "/sys/kernel/config/nullb/$1" ] && return
  echo 0 >"/sys/kernel/config/nullb/$1/power"
  rmdir "/sys/kernel/config/nullb/$1"
}

make_nbd() { # FILE NUMBER PORT: 4 MiB unless the file is there
  modprobe nbd nbds_max=4
  [ -e "$1" ] || truncate -s 4M "$1"
  nbd-server -C /dev/null -p "$work/nbd-$3.pid" "127.0.0.1:$3" "$1" >"$work/nbd.log" 2>&1
  nbd-client 127.0.0.1 "$3" "/dev/nbd$2" -N "" -b 512 >>"$work/nbd.log" 2>&1
  made=/dev/nbd$2
  later "nbd_gone $2 $3"
  wait_for "$made"
}
nbd_gone() { # NUMBER PORT
  [ -e "$work/nbd-$2.pid" ] || return 0
  nbd-client -d "/dev/nbd$1" >>"$work/nbd.log" 2>&1
  kill "$(<"$work/nbd-$2.pid")" 2>/dev/null
  rm -f "$work/nbd-$2.pid"
}

make_volume() { # GROUP VOLUME SIZE DEVICE
  modprobe dm_mod
  quiet pvcreate -y "$4"
  quiet vgcreate -y -s 1M "$1" "$4"
  later "vgremove -f -y $1"
  volume "$1" -y -Zn -Wn -n "$2" -L "$3" "$1"
  made=/dev/$1/$2
  wait_for "$made"
}

volume() { # GROUP LVCREATE'S ARGUMENTS...
  local group=$1
  shift
  quiet lvcreate "$@"
  quiet vgmknodes "$group"
}

make_luks() { # NAME DEVICE SIZE-OF-HEADER
  modprobe dm_crypt
  printf secret >"$work/key"
  quiet cryptsetup -q luksFormat --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 \
    --offset $((${3%M} * 2048)) --luks2-metadata-size 16k --luks2-keyslots-size 1M "$2" "$work/key"
  cryptsetup open --key-file "$work/key" "$2" "$1"
  later "[ ! -e /dev/mapper/$1 ] || cryptsetup close $1"
  made=/dev/mapper/$1
  wait_for "$made"
}

md_gone() { [ ! -e "$1" ] || mdadm --stop --quiet "$1"; }
make_mirror() { # NODE SIZE-OF-A-HALF; the halves' nodes in `halves`
  modprobe raid1
  halves=()
  local half
  for half in 1 2; do
    image "$work/half-$half" "$2"
    make_loop "$work/half-$half"
    halves+=("$made")
  done
  mdadm --create "$1" --quiet --run --assume-clean --metadata=1.2 --level=1 --raid-devices=2 \
    --data-offset=1M "${halves[@]}"
  later "md_gone $1"
  made=$1
  wait_for "$1"
}
