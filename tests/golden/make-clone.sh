#!/usr/bin/env bash
# Creates tests/golden/clone: a store with a clone and a clone of that. As the other golden stores (make-golden.sh) it is
# created once, with the first program that writes it, and never again.
#
#   tests/golden/make-clone.sh PROGRAM FOLDER
#
# Disk 1 has a short last chunk; disk 2 is a larger clone of its snapshot `first`, changed since; disk 3 is a clone of
# that. golden_store_test makes the images anew, to compare.
set -euo pipefail
[ $# = 2 ] || { sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"; exit 2; }
program=$(realpath "$1")
folder=$2
[ ! -e "$folder" ] || { echo "$folder exists" >&2; exit 1; }

# The paths are kept in the store, so they are the same wherever this runs.
work=/tmp/blkrewind-golden
mkdir "$work"
trap 'rm -rf "$work"' EXIT
export BLKREWIND_STORE=$work/store
run() { "$program" --quiet "$@"; }
put() { { yes "$3" || true; } 2>/dev/null | head -c "$2" | dd of="$1" bs=512 seek="$4" conv=notrunc status=none; }

truncate -s 17000 "$work/a.img"
put "$work/a.img" 4096 first 0
put "$work/a.img" 616 last 32
run snapshot "$work/a.img" --name first --chunk-size 4KiB

truncate -s 40960 "$work/b.img"
run clone first "$work/b.img" --name cloned
put "$work/b.img" 4096 changed 8
run snapshot "$work/b.img" --name changed

run clone changed "$work/c.img" --name again
mkdir -p "$folder"
cp -r "$work/store" "$folder/store"
