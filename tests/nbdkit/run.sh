#!/usr/bin/env bash
# Runs one case of the nbdkit plugin's tests; exit status 77 is a skip.
#
#   tests/nbdkit/run.sh PROGRAM PLUGIN FILE Class.test_case
set -euo pipefail
cd "$(dirname "$0")"
# Debian's Python has libnbd, whichever other one comes first.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
export BLKREWIND_PROGRAM=$1 BLKREWIND_PLUGIN=$2 PYTHONDONTWRITEBYTECODE=1
unset BLKREWIND_STORE BLKREWIND_NO_IO_URING
for tool in nbdkit nbdcopy nbdinfo nbdfuse nbdsh qemu-img fio python3; do
  command -v "$tool" >/dev/null || { echo "skipped: $tool is not installed"; exit 77; }
done
python3 -c 'import nbd' || { echo "skipped: python3-libnbd is not installed"; exit 77; }
exec python3 -c 'import cases; cases.main()' "$3" "$4"
