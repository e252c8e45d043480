#!/bin/bash
# A linear device-mapper device: tracked, until its table is exchanged, which changes all of it without a write.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

image "$work/image" 16M
make_loop "$work/image"
loop=$made
dm lab-linear "0 8192 linear $loop 8192" --uuid LAB-linear
later dm_gone lab-linear
round "$made"
tracked_round "$made"

check "track start" rewind track start "$made"
check "snapshot" rewind snapshot "$made" --name exchanged
save "$made" "$work/before"
dmsetup reload lab-linear --table "0 8192 linear $loop 16384"
dmsetup suspend lab-linear && dmsetup resume lab-linear
source=$(value .change_source rollback "$made" exchanged)
check "with another table it is scanned" test "$source" = scan
check "and holds what it held" holds "$made" "$work/before"
check "track stop" rewind track stop "$made"
