#!/bin/bash
# A snapshot of a btrfs subvolume has files with the same inode numbers and generations; a reflink has the
# same blocks. Neither is the registered image.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

modprobe btrfs
image "$work/fs" 128M
make_loop "$work/fs"
quiet mkfs.btrfs -q "$made"
mkdir "$work/mnt"
mount "$made" "$work/mnt"
later "unmount $work/mnt"
btrfs -q subvolume create "$work/mnt/a"
image "$work/mnt/a/image" 2M
fill "$work/mnt/a/image"
id=$(file_as before "$work/mnt/a/image")
sync
btrfs -q subvolume snapshot "$work/mnt/a" "$work/mnt/b"
cp --reflink=always "$work/mnt/a/image" "$work/mnt/a/reflink"
for file in b/image a/reflink; do
  damage "$work/mnt/$file"
  cp "$work/mnt/$file" "$work/now"
  refused "$file is not written to" rewind rollback "$work/mnt/$file" before
  check "nothing was written to $file" cmp "$work/mnt/$file" "$work/now"
  check "$file is a disk of its own" distinct "$id" "$(file_as other "$work/mnt/$file")"
done
check "the original is rolled back" rewind rollback "$work/mnt/a/image" before
