#!/bin/bash
# Striped md devices: tracked; a device that they are built on is not, because an older kernel hands it bios that were
# announced above only.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

modprobe raid0
halves=()
for half in 1 2; do
  image "$work/half-$half" 5M
  make_loop "$work/half-$half"
  halves+=("$made")
done
mdadm --create /dev/md1 --quiet --run --metadata=1.2 --level=0 --chunk=64 --raid-devices=2 --data-offset=1M "${halves[@]}"
later md_gone /dev/md1
wait_for /dev/md1
round /dev/md1
tracked_round /dev/md1
# Without statistics Linux 6.1 hands the bios themselves to the halves, and their ends are not seen.
echo 0 >/sys/block/md1/queue/iostats
tracked_round /dev/md1 handed-on

untracked() { ! rewind track start "$1" 2>"$work/said" && grep "cannot be tracked" "$work/said"; }
check "a half cannot be tracked" untracked "${halves[0]}"
