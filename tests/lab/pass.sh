#!/bin/bash
# Inside the guest: every test of the folders devices and identity, or those that the arguments name, as in
# devices/lvm identity/. One line a test, the whole output of one that fails, and a closing count.
set -u
here=$(cd "$(dirname "$0")" && pwd)
export LAB_RESULTS=/run/lab/results
: >"$LAB_RESULTS"
output=/run/lab/output
"$here/volume.sh" || { echo "not ok lab: its volume cannot be had"; exit 1; }
[ $# -gt 0 ] || set -- devices/ identity/
for pattern in "$@"; do
  for script in "$here/$pattern"*.sh; do
    name=${script#"$here/"} start=$SECONDS status=0
    # What a test leaves open must not keep the pass.
    timeout --kill-after=20 "${LAB_TEST_SECONDS:-600}" bash "$script" </dev/null >"$output" || status=$?
    if [ "$status" != 0 ]; then
      echo "not ok ${name%.sh}: killed, or ended, with status $status" | tee -a "$output" >>"$LAB_RESULTS"
    fi
    if grep -q '^not ok' "$output"; then
      cat "$output"
    else
      grep -v '^ok ' "$output"
      echo "ok ${name%.sh}: $(grep -c '^ok ' "$output") checks, $((SECONDS - start)) s"
    fi
  done
done
right=$(grep -c '^ok' "$LAB_RESULTS")
wrong=$(grep -c '^not ok' "$LAB_RESULTS")
echo "lab: kernel $(uname -r): $right ok, $wrong not ok, $SECONDS s"
[ "$wrong" = 0 ] && [ "$right" -gt 0 ]
