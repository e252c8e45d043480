#!/bin/bash
# A RAM disk.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

modprobe brd rd_nr=1 rd_size=4096
later "modprobe -r brd"
wait_for /dev/ram0
round /dev/ram0
# Before Linux 6.3 the kernel writes single pages to it without a bio.
if [[ $(uname -r) = 6.1.* ]]; then
  untracked() { ! rewind track start "$1" 2>"$work/said" && grep "cannot be tracked" "$work/said"; }
  check "track start says that it cannot be tracked" untracked /dev/ram0
else
  tracked_round /dev/ram0
fi
