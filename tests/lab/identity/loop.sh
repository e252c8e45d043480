#!/bin/bash
# A loop device is told by its backing file: another file under its name is another disk, the same file
# under another name the same one, and a file that is bound twice is refused.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

image "$work/a" 4M
image "$work/b" 4M
fill "$work/a"
fill "$work/b"
cp "$work/a" "$work/a.before"
cp "$work/b" "$work/b.before"
device=$(losetup -f --show "$work/a")
id=$(file_as before "$device")
losetup -d "$device"
losetup "$device" "$work/b"
later "losetup -d $device"
refused "another file is not written to" rewind rollback "$device" before
check "nothing was written" holds "$device" "$work/b.before"
check "it is a disk of its own" distinct "$id" "$(file_as other "$device")"
check "the old one is not attached" is_not_attached "$id"
make_loop "$work/a"
damage "$made"
check "rollback of the same file under another name" rewind rollback "$made" before
check "the bytes are those of the snapshot" holds "$made" "$work/a.before"
damage "$made"
save "$made" "$work/now"
make_loop "$work/a"
refused "bound twice it is refused" rewind rollback "$made" before
check "nothing was written to it" holds "$made" "$work/now"
