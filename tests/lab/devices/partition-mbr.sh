#!/bin/bash
# An MBR partition, and one of a disk whose MBR has no disk id.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

make_scsi dev_size_mb=12
disk=${disks[0]}
for id in 0x1ab00001 0x00000000; do
  partition "$disk" <<END
label: dos
label-id: $id
start=2048, size=4MiB, type=83
END
  check "the disk id is $id" grep -q "label-id: $id" <(sfdisk -d "$disk")
  round "${disk}1"
  tracked_round "${disk}1"
  store=$work/store-2
done
