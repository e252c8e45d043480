#!/bin/bash
# Other nodes that show the same sectors are kept open, as monitoring programs do: what they have cached and
# not written is part of a snapshot, and after a rollback they show what the device holds.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

agrees() { cmp "$1" <(content_of "$1"); }
warm() { cat "$@" >/dev/null; }
# Written, and not flushed: what the last one to close a node does not do while another one has it open.
scribble() { dd if=/dev/urandom of="$1" bs=4096 seek=9 count=5 conv=notrunc status=none; }

make_scsi dev_size_mb=12
disk=${disks[0]}
fill "$disk"
partition "$disk" <<'TABLE'
label: gpt
start=2048, size=4MiB
TABLE
part=${disk}1

# held KIND DEVICE OTHERS...: a round on DEVICE while OTHERS are open and all their pages are cached.
held() {
  local what=$1 device=$2 node
  shift 2
  store=$work/store-$what
  for node; do
    warm "$node"
    scribble "$node"
  done
  check "$what: snapshot" rewind snapshot "$device" --name before
  check "$what: export" rewind export before "$work/exported"
  save "$device" "$work/before"
  check "$what: the snapshot has what was only cached" cmp "$work/exported" "$work/before"
  damage "$device"
  warm "$@"
  check "$what: rollback" rewind rollback "$device" before
  check "$what: the bytes are those of the snapshot" holds "$device" "$work/before"
  for node; do check "$what: $node shows what is on the device" agrees "$node"; done
  warm "$@"
  check "$what: undo" rewind undo "$device"
  for node; do check "$what: so it does after the undo" agrees "$node"; done
  rm "$work/exported"
}

exec 8<"$part" 9<"$disk"
held whole "$disk" "$part"
held partition "$part" "$disk"
dm lab-held "0 4096 linear $part 1024" --uuid LAB-held
later dm_gone lab-held
held linear "$made" "$part" "$disk"
exec 8<&- 9<&-
