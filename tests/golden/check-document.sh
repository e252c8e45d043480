#!/usr/bin/env bash
# Checks that the golden stores match docs/FORMAT.md: its own reader accepts every checksum and digest, and the
# document shows the output of that reader.
#
#   tests/golden/check-document.sh [--fix]        --fix: puts the example into the document
set -euo pipefail
cd "$(dirname "$0")/../.."
golden=tests/golden
document=docs/FORMAT.md
python3 -c 'import ctypes; ctypes.CDLL("libxxhash.so.0")' 2>/dev/null ||
  { echo "skipped: needs Python 3 and libxxhash"; exit 77; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for version in 1 2; do
  tests/golden/read_store.py check "$golden/v$version/store"
  tests/golden/read_store.py example "$golden/v$version/store" >"$work/example"  # the last one is shown
done
tests/golden/read_store.py check "$golden/clone/store"
tests/golden/read_store.py clones "$golden/clone/store" >"$work/clones"
awk -v example="$work/example" -v clones="$work/clones" '
  /^<!-- end of (clone )?example -->$/ { inside = 0 }
  !inside
  /^<!-- clone example -->$/ {
    inside = 1
    print "```"
    while ((getline line < clones) > 0) print line
    print "```"
  }
  /^<!-- example -->$/ {
    inside = 1
    print "```"
    while ((getline line < example) > 0) print line
    print "```"
  }' "$document" >"$work/document"
if [ "${1:-}" = --fix ]; then
  cp "$work/document" "$document"
fi
diff -u "$document" "$work/document" ||
  { echo "$document shows another example; tests/golden/check-document.sh --fix puts it right"; exit 1; }

# A reader that cannot fail proves nothing: one wrong bit must be found.
for chunk in v1/store/segments/10 v2/store/disks/3/segments/1 clone/store/disks/1/segments/1; do
  rm -rf "$work/store"
  cp -r "$golden/${chunk%%/*}/store" "$work/store"
  printf '\001' | dd of="$work/store/${chunk#*/store/}" bs=1 seek=5000 conv=notrunc status=none
  if tests/golden/read_store.py check "$work/store" >/dev/null 2>&1; then
    echo "a chunk with a wrong byte went unnoticed"
    exit 1
  fi
done
