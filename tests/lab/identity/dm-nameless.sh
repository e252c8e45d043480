#!/bin/bash
# A device-mapper device without a UUID that was made again, over other sectors, is another disk.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

image "$work/image" 16M
make_loop "$work/image"
below=$made
dm lab-plain "0 8192 linear $below 0"
later "dm_gone lab-plain"
fill "$made"
check "snapshot" rewind snapshot "$made" --name before
check "it is itself while it is there" rewind rollback "$made" before
dm_gone lab-plain
dm lab-plain "0 8192 linear $below 16384"
fill "$made"
save "$made" "$work/now"
refused "made again, it is not written to" rewind rollback "$made" before
check "nothing was written" holds "$made" "$work/now"
