#!/bin/bash
# An image file is told by its file system, inode, generation and birth: not by an inode number alone.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

image "$work/a" 2M
fill "$work/a"
cp "$work/a" "$work/before"
id=$(file_as before "$work/a")

mv "$work/a" "$work/renamed"
damage "$work/renamed"
check "rollback of the renamed file" rewind rollback "$work/renamed" before
check "the bytes are those of the snapshot" cmp "$work/renamed" "$work/before"
check "its path followed" is_at "$id" "$work/renamed"

cp "$work/renamed" "$work/copy"
damage "$work/copy"
cp "$work/copy" "$work/now"
refused "a copy is not written to" rewind rollback "$work/copy" before
check "nothing was written to it" cmp "$work/copy" "$work/now"
rm "$work/copy" "$work/now"

inode=$(stat -c %i "$work/renamed")
rm "$work/renamed"
for try in $(seq 200); do
  : >"$work/new-$try"
  [ "$(stat -c %i "$work/new-$try")" != "$inode" ] || break
done
check "the inode number is used again" test "$(stat -c %i "$work/new-$try")" = "$inode"
mv "$work/new-$try" "$work/renamed"
image "$work/renamed" 2M
fill "$work/renamed"
cp "$work/renamed" "$work/now"
refused "a new file with the old inode number is not written to" rewind rollback "$work/renamed" before
check "nothing was written to the new file" cmp "$work/renamed" "$work/now"
