#!/bin/bash
# A disk was copied with the file system on it: the copied image file has the UUID, inode, generation and
# birth of the registered one, on a disk with another serial number. It is not written to.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

make_scsi dev_size_mb=24 per_host_store=1
scsi_hosts 1
mkdir -p "$work/a" "$work/b"
mkfs.ext4 -q "${disks[0]}"
mount "${disks[0]}" "$work/a"
later "unmount $work/a"
image "$work/a/image" 2M
fill "$work/a/image"
check "snapshot" rewind snapshot "$work/a/image" --name before
umount "$work/a"
dd if="${disks[0]}" of="${disks[1]}" bs=1M oflag=direct status=none
mount "${disks[1]}" "$work/b"
later "unmount $work/b"
damage "$work/b/image"
cp "$work/b/image" "$work/now"
refused "the copy is not written to" rewind rollback "$work/b/image" before
check "nothing was written" cmp "$work/b/image" "$work/now"
check "it is registered as another disk on demand" rewind disk register --new "$work/b/image"
check "and has snapshots of its own" rewind snapshot "$work/b/image" --name copy
check "the registered one keeps its own" rewind verify before
umount "$work/b"
mount "${disks[1]}" "$work/a"
refused "nor at the old path" rewind rollback "$work/a/image" before
check "nothing was written there" cmp "$work/a/image" "$work/now"
