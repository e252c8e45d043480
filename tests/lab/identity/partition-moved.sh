#!/bin/bash
# A partition whose id is found at another start contradicts itself: it is not written to.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

make_scsi dev_size_mb=12
disk=${disks[0]}
table() {
  printf 'label: gpt\nstart=%s, size=4MiB, uuid=11111111-2222-3333-4444-555555555555\n' "$1" | partition "$disk"
}
table 2048
fill "${disk}1"
check "snapshot" rewind snapshot "${disk}1" --name before
table 10240
fill "${disk}1"
save "$disk" "$work/now"
refused "rollback is refused" rewind rollback "${disk}1" before
check "nothing was written" holds "$disk" "$work/now"
table 2048
check "at its old start it is the disk that it was" rewind rollback "${disk}1" before --dry-run
