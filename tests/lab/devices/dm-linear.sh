#!/bin/bash
# A linear device-mapper device; the kernel program does not track it.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

image "$work/image" 16M
make_loop "$work/image"
dm lab-linear "0 8192 linear $made 8192" --uuid LAB-linear
later dm_gone lab-linear
round "$made"
untracked() { ! rewind track start "$1" 2>"$work/said" && grep "cannot be tracked" "$work/said"; }
check "track start says that it cannot be tracked" untracked "$made"
