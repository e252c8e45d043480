#!/bin/bash
# A rollback brings back another partition table: the kernel takes it over, or the receipt says that it has
# not, and with which command it does.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

# Number, start and size of each partition: as the kernel has them, and as the table says. Of an extended one
# the kernel shows its first sectors only.
in_kernel() {
  local name=${1##*/} folder
  for folder in "/sys/block/$name/$name"*; do
    [ ! -e "$folder/partition" ] || echo "$(<"$folder/partition") $(<"$folder/start") $(<"$folder/size")"
  done | sort
}
in_table() { partx -s -g -o NR,START,SECTORS,TYPE "$1" | awk '{print $1, $2, $4 == "0x5" ? 2 : $3}' | sort; }
agree() { diff <(in_kernel "$1") <(in_table "$1"); }

# tables KIND DEVICE OLD-TABLE NEW-TABLE
tables() {
  local what=$1 device=$2 old=$3 new=$4 before
  store=$work/store-$what
  partition "$device" <<<"$old"
  check "$what: the kernel has the first table" agree "$device"
  before=$(in_kernel "$device")
  check "$what: snapshot" rewind snapshot "$device" --name before
  partition "$device" <<<"$new"
  check "$what: the kernel has the second table" agree "$device"
  distinct "$before" "$(in_kernel "$device")"
  check "$what: rollback" rewind --json rollback "$device" before
  check "$what: the receipt says that the kernel took it over" jq -e '.partition_table == "reread"' "/tmp/$kind.out"
  check "$what: so it did" test "$before" = "$(in_kernel "$device")"
  check "$what: undo" rewind undo "$device"
  check "$what: the kernel has the second table again" agree "$device"
}

make_scsi dev_size_mb=24
disk=${disks[0]}
gpt=$'label: gpt\nstart=2048, size=4MiB\nstart=10240, size=4MiB'
other=$'label: gpt\nstart=2048, size=2MiB\nstart=8192, size=6MiB\nstart=22528, size=1MiB'
dos=$'label: dos\nstart=2048, size=2MiB\nstart=8192, size=8MiB, type=5\nstart=10240, size=1MiB\nstart=14336, size=2MiB'
tables gpt "$disk" "$gpt" "$other"
tables extended "$disk" "$dos" "$gpt"
image "$work/image" 24M
make_loop "$work/image" -P
tables loop "$made" "$gpt" "$dos"
image "$work/image-4k" 24M
make_loop "$work/image-4k" --sector-size 4096 -P
# In sectors of 4 KiB.
tables sectors-4k "$made" $'label: gpt\nstart=256, size=4MiB\nstart=1280, size=4MiB' \
  $'label: gpt\nstart=512, size=4MiB'

# A partition that is gone in the old table is kept open.
store=$work/store-held
partition "$disk" <<<"$gpt"
check "held: snapshot" rewind snapshot "$disk" --name before
partition "$disk" <<<"$other"
exec 9<"${disk}2"
check "held: rollback" rewind --json rollback "$disk" before
cp "/tmp/$kind.out" "$work/receipt"
check "held: the receipt says that the kernel has the other table" jq -e '.partition_table == "stale"' "$work/receipt"
exec 9<&-
check "held: with which command it takes over the new one" bash -c "$(jq -r .partition_command "$work/receipt")"
check "held: so it did" agree "$disk"
