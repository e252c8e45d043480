#!/bin/bash
# After the restart: what is recognised, and what is not. tests/lab/run.sh has attached the disks in the same
# order, but the disk 'moved', which took the place of the empty spare one.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

keep=/lab/reboot
store=$keep/store
namespace=$(namespace 2)

# Damage that leaves a file system's superblock alone.
scratch() { put "$1" 100 20 && put "$1" 400 1; }

recognised() { # NAME DEVICE
  scratch "$2"
  rewind --json rollback "$2" "$1" >"$work/receipt" || return
  holds "$2" "$keep/$1"
}
for pair in serial:/dev/vdb "namespace:$namespace" same:/dev/vdd table:/dev/vdj1; do
  check "the disk '${pair%:*}' is recognised, and rolled back" recognised "${pair%:*}" "${pair#*:}"
done
check "the receipt says what that rested on" jq -e '.recognised_by | length > 0' "$work/receipt"

unrecognised() { # NAME DEVICE WHAT
  scratch "$2"
  save "$2" "$work/now"
  refused "$3" rewind rollback "$2" "$1"
  check "nothing was written to '$1'" holds "$2" "$work/now"
}
mkfs.ext4 -q -F -O ^has_journal /dev/vde
unrecognised other /dev/vde "another file system at the same path is not recognised"
unrecognised empty /dev/vdf "one without any file system is not recognised"
unrecognised moved /dev/vdh "one without a serial number at another path is not recognised"
dd if=/dev/vdg of=/dev/vdi bs=1M oflag=direct status=none
unrecognised copied /dev/vdg "one with a copy attached beside it is refused"
unrecognised copied /dev/vdi "and so is the copy"

scratch "$keep/image"
check "an image file is recognised" rewind rollback "$keep/image" image
check "its bytes are those of the snapshot" holds "$keep/image" "$keep/image.before"
# Loop numbers are not those of before.
image "$work/other" 2M
make_loop "$work/other"
make_loop "$keep/below"
scratch "$made"
check "a loop device is recognised by its file" rewind rollback "$made" loop
check "the bytes are those of the snapshot" holds "$made" "$keep/below.before"
