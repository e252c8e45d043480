#!/bin/bash
# The lab's tests on one kernel: boots it over fresh disks, runs the pass, boots it again over the same
# disks, as a machine that was restarted, and runs what must hold then.
#
#   tests/lab/run.sh 6.1|6.12 [NAMES...]       NAMES as in tests/lab/pass.sh; with them only the first boot
#
# $BLKREWIND is the program, build/test/cli/blkrewind unless set. Exit status 77: there is no lab here.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
kernel=$1
shift
export BLKREWIND=${BLKREWIND:-$top/build/test/cli/blkrewind}
BLKREWIND=$(realpath -e -- "$BLKREWIND")
mkdir -p "$top/build/lab"
disks=$(mktemp -d "$top/build/lab/run.XXXXXX")
trap 'rm -rf "$disks"' EXIT

truncate -s 512M "$disks/volume"
truncate -s 4M "$disks/serial"
truncate -s 5M "$disks/plain"
for name in same other empty copied spare moved table; do truncate -s 6M "$disks/$name"; done
truncate -s 7M "$disks/space-1" "$disks/space-2"

# boot SPARE-OR-MOVED MOVED-OR-SPARE NAMES...
boot() {
  local last=("$1" "$2")
  shift 2
  "$top/scripts/lab" --kernel "$kernel" --timeout "${LAB_TIMEOUT:-3000}" \
    --disk "$disks/volume,serial=lab-volume" --disk "$disks/serial,serial=pass-serial" \
    --disk "$disks/plain" --disk "$disks/same" --disk "$disks/other" --disk "$disks/empty" \
    --disk "$disks/copied" --disk "$disks/${last[0]}" --disk "$disks/${last[1]}" \
    --disk "$disks/table" --nvme "$disks/space-1,$disks/space-2" "$here/pass.sh" "$@"
}

status=0
if [ $# -gt 0 ]; then
  boot spare moved "$@" || status=$?
  exit "$status"
fi
# Every row of the identity table on the older kernel, which tells less of a device; on the newer one those
# whose evidence the kernel itself makes.
rows=(identity/)
[ "$kernel" = 6.1 ] || rows=(identity/dm identity/image identity/md identity/nameless)
boot spare moved devices/ "${rows[@]}" reboot/first || status=$?
[ "$status" -le 1 ] || exit "$status"
boot moved spare reboot/second || status=$?
exit "$status"
