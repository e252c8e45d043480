#!/usr/bin/env bash
# Runs the suite of a sanitizer build, built before by scripts/test, as one test.
#
#   tests/checks/suite.sh asan|tsan
set -euo pipefail
cd "$(dirname "$0")/../.."
suite=$1
build=build/$suite
[ -f "$build/CTestTestfile.cmake" ] || { echo "$build is not built; run scripts/test"; exit 1; }

filter=()
prefix=()
if [ "$suite" = tsan ]; then
  # Code that starts threads or is called from several. The crash campaigns run in one thread, on a simulated disk.
  filter=(-L '^(base|host|io|store|pipeline|operations|control|serve)$' -E 'Crash\.')
  # With more random address bits than the sanitizer supports, its address map does not fit.
  if setarch "$(uname -m)" -R true 2>/dev/null; then
    prefix=(setarch "$(uname -m)" -R)
  fi
fi
export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
export UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1:suppressions=$PWD/tests/checks/tsan.supp"
exec "${prefix[@]}" ctest --test-dir "$build" --output-on-failure --no-tests=error \
  -j "${BLKREWIND_JOBS:-$(nproc)}" "${filter[@]}"
