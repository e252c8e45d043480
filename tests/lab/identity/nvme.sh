#!/bin/bash
# Two namespaces of one NVMe controller have one serial number and are two disks.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

one=$(namespace 1)
other=$(namespace 2)
check "one serial number" cmp "/sys/block/${one##*/}/device/serial" "/sys/block/${other##*/}/device/serial"
fill "$one"
fill "$other"
first=$(file_as first "$one")
second=$(file_as second "$other")
check "two disks" distinct "$first" "$second"
save "$other" "$work/second"
refused "the one's snapshot is not written to the other" rewind rollback "$other" first
check "nothing was written" holds "$other" "$work/second"
damage "$one"
check "rollback with the other one attached" rewind rollback "$one" first
