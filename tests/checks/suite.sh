#!/usr/bin/env bash
# Runs a part of the suite of a sanitizer build, which scripts/test has built before, as one test.
#
#   tests/checks/suite.sh asan|tsan PART
#
# PART is "system", for the tests with the loop lock; "K/N": every Nth of the others, from the Kth; or "list", which runs
# none, but asks each program for its tests, so that parts which run at the same time find the lists made.
set -euo pipefail
cd "$(dirname "$0")/../.."
suite=$1
part=$2
build=build/$suite
[ -f "$build/CTestTestfile.cmake" ] || { echo "$build is not built; run scripts/test"; exit 1; }

case $part in
  system) filter=(-L '^system$') ;;
  list) filter=(-N) ;;
  */*) filter=(-LE '^system$' -I "${part%/*},,${part#*/}") ;;
  *) echo "suite.sh: '$part' is no part" >&2; exit 2 ;;
esac
prefix=()
if [ "$suite" = tsan ]; then
  # What starts threads or is called from several.
  # The crash campaigns run in one thread, over a simulated disk.
  filter+=(-L '^(base|host|io|store|pipeline|operations|control|serve)$' -E 'Crash\.')
  # With more random bits than the sanitizer knows, its address map does not fit.
  if setarch "$(uname -m)" -R true 2>/dev/null; then
    prefix=(setarch "$(uname -m)" -R)
  fi
fi
export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
export UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1:suppressions=$PWD/tests/checks/tsan.supp"
exec "${prefix[@]}" ctest --test-dir "$build" --output-on-failure --no-tests=error "${filter[@]}"
