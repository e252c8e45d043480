#!/bin/bash
# Inside the guest: every test of the folders devices and identity, or those that the arguments name, as in
# devices/lvm identity/. One line a check, and a closing count.
set -u
here=$(cd "$(dirname "$0")" && pwd)
export LAB_RESULTS=/run/lab/results
: >"$LAB_RESULTS"
"$here/volume.sh" || { echo "not ok lab: its volume cannot be had"; exit 1; }
[ $# -gt 0 ] || set -- devices/ identity/
for pattern in "$@"; do
  for script in "$here/$pattern"*.sh; do
    start=$SECONDS
    # What a test leaves open must not keep the pass.
    timeout --kill-after=20 "${LAB_TEST_SECONDS:-600}" bash "$script" </dev/null || {
      echo "not ok ${script##*/}: killed, or ended, with status $?"
      echo "not ok" >>"$LAB_RESULTS"
    }
    [ $((SECONDS - start)) -lt 60 ] || echo "  # ${script##*/} took $((SECONDS - start)) s"
  done
done
right=$(grep -c '^ok' "$LAB_RESULTS")
wrong=$(grep -c '^not ok' "$LAB_RESULTS")
echo "lab: kernel $(uname -r): $right ok, $wrong not ok, $SECONDS s"
[ "$wrong" = 0 ] && [ "$right" -gt 0 ]
