#!/bin/bash
# An image file is told by its file system, inode, generation and birth: not by an inode number alone.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

# A file system of its own, with a journal: without one ext4 does not use a number again for a minute.
image "$work/fs" 24M
make_loop "$work/fs"
quiet mkfs.ext4 -q -O has_journal "$made"
mkdir "$work/mnt"
mount "$made" "$work/mnt"
later "unmount $work/mnt"
here=$work/mnt
image "$here/a" 2M
fill "$here/a"
cp "$here/a" "$here/before"
id=$(file_as before "$here/a")

mv "$here/a" "$here/renamed"
damage "$here/renamed"
check "rollback of the renamed file" rewind rollback "$here/renamed" before
check "the bytes are those of the snapshot" cmp "$here/renamed" "$here/before"
check "its path followed" is_at "$id" "$here/renamed"

cp "$here/renamed" "$here/copy"
damage "$here/copy"
cp "$here/copy" "$here/now"
refused "a copy is not written to" rewind rollback "$here/copy" before
check "nothing was written to it" cmp "$here/copy" "$here/now"
rm "$here/copy" "$here/now"

inode=$(stat -c %i "$here/renamed")
rm "$here/renamed"
for try in $(seq 200); do
  : >"$here/new-$try"
  [ "$(stat -c %i "$here/new-$try")" != "$inode" ] || break
done
check "the inode number is used again" test "$(stat -c %i "$here/new-$try")" = "$inode"
mv "$here/new-$try" "$here/renamed"
image "$here/renamed" 2M
fill "$here/renamed"
cp "$here/renamed" "$here/now"
refused "a new file with the old inode number is not written to" rewind rollback "$here/renamed" before
check "nothing was written to the new file" cmp "$here/renamed" "$here/now"
