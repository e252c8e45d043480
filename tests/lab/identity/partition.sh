#!/bin/bash
# A partition is a disk of its own, whatever serial number the disk below it has: for GPT, MBR, and an MBR
# without a disk id.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

make_scsi dev_size_mb=12
disk=${disks[0]}
for label in gpt dos none; do
  store=$work/store-$label
  {
    echo "label: ${label/none/dos}"
    [ "$label" != none ] || echo "label-id: 0x00000000"
    echo "start=2048, size=4MiB"
    echo "start=10240, size=4MiB"
  } | partition "$disk"
  fill "${disk}1"
  fill "${disk}2"
  whole=$(file_as whole "$disk")
  first=$(file_as first "${disk}1")
  second=$(file_as second "${disk}2")
  check "$label: whole and first partition are two disks" distinct "$whole" "$first"
  check "$label: so are the two partitions" distinct "$first" "$second"
  save "$disk" "$work/now"
  refused "$label: the first partition has no snapshot of the second" rewind rollback "${disk}1" second
  check "$label: nothing was written" holds "$disk" "$work/now"
  check "$label: forget the first partition" rewind disk forget "${disk}1" --with-snapshots
  check "$label: the whole disk has its snapshot" has_snapshots "$whole" 1
  check "$label: the second partition has its snapshot" has_snapshots "$second" 1
  check "$label: the whole disk is rolled back" rewind rollback "$disk" whole
done
