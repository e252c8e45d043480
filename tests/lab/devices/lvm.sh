#!/bin/bash
# A logical volume, and what an LVM snapshot of it holds meanwhile.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

image "$work/image" 32M
make_loop "$work/image"
make_volume labvg volume 4M "$made"
modprobe dm_snapshot
fill /dev/labvg/volume
volume labvg -s -n frozen -L 6M labvg/volume
wait_for /dev/labvg/frozen
save /dev/labvg/frozen "$work/frozen"
round /dev/labvg/volume
check "the LVM snapshot holds what it held" holds /dev/labvg/frozen "$work/frozen"
tracked_round /dev/labvg/volume
