#!/bin/bash
# A device-mapper device is told by its UUID, under any name; without one it lives as long as it is there.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

image "$work/image" 16M
make_loop "$work/image"
below=$made
dm lab-one "0 8192 linear $below 0" --uuid LAB-one
later "dm_gone lab-one"
fill /dev/mapper/lab-one
save /dev/mapper/lab-one "$work/before"
id=$(file_as before /dev/mapper/lab-one)
damage /dev/mapper/lab-one
dm_gone lab-one
dm lab-other "0 8192 linear $below 16384" --uuid LAB-other
later "dm_gone lab-other"
dm lab-renamed "0 8192 linear $below 0" --uuid LAB-one
later "dm_gone lab-renamed"
check "rollback under another name" rewind rollback /dev/mapper/lab-renamed before
check "the bytes are those of the snapshot" holds /dev/mapper/lab-renamed "$work/before"
dm_gone lab-renamed
dm_gone lab-other
dm lab-one "0 8192 linear $below 16384" --uuid LAB-other
fill /dev/mapper/lab-one
save /dev/mapper/lab-one "$work/now"
refused "the same name with another UUID is not written to" rewind rollback /dev/mapper/lab-one before
check "nothing was written" holds /dev/mapper/lab-one "$work/now"
other=$(file_as other /dev/mapper/lab-one)
check "it is a disk of its own" distinct "$id" "$other"
