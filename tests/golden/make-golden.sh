#!/usr/bin/env bash
# Creates the golden store of a format version: the permanent example of a store of that version. golden_store_test
# opens a copy of it with the current program.
#
#   tests/golden/make-golden.sh PROGRAM FOLDER
#
# FOLDER (tests/golden/vN) must not exist. Ids, times and the digest secret are random, so it is created once for a
# version, with the first program that writes it, and never again: the test exists to find a store that can no
# longer be opened.
#
# The store has every entry type of its logs, written since a checkpoint (generation 2); trees of 2 and 3 levels;
# a short last chunk; snapshots of all kinds; a tombstone and punched segments; a catalog; a token, tags and a
# retention; an accepted rollback; and an interrupted one. `expected` lists the content of every snapshot: the checksums are those of the images when the snapshots
# were taken, not those that the store reports.
#
# Needs sha256sum, xxhsum, jq and python3.
set -euo pipefail
[ $# = 2 ] || { sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"; exit 2; }
program=$(realpath "$1")
here=$(dirname "$(realpath "$0")")
folder=$2
[ ! -e "$folder" ] || { echo "$folder exists" >&2; exit 1; }

# The paths are kept in the store, so they are the same wherever this runs.
work=/tmp/blkrewind-golden
mkdir "$work"
trap 'rm -rf "$work"' EXIT
a=$work/a.img
b=$work/b.img
export BLKREWIND_STORE=$work/store
run() { "$program" --quiet "$@"; }

# put IMAGE OFFSET BYTES WORD: writes text that identifies its position. (head may end seq.)
put() {
  { seq -f "$4 at $2 line %08.0f" 1 "$3" || true; } 2>"$work/ignored" | head -c "$3" |
    dd of="$1" bs=512 seek=$(($2 / 512)) conv=notrunc status=none
}

# expect NAME IMAGE: records the content of the snapshot NAME, or of the undo snapshot if it has none.
declare -A xxh3 sha256
expect() {
  xxh3[$1]=$(xxhsum -H3 <"$2" | grep -oE '[0-9a-f]{16}')
  sha256[$1]=$(sha256sum <"$2" | cut -d ' ' -f 1)
}

# Disk a: 257 chunks of 4 KiB, the last one of 512 bytes.
truncate -s $((1024 * 1024 + 512)) "$a"
put "$a" 0 4096 first
put "$a" $((1024 * 1024)) 512 first
expect first "$a"
run snapshot "$a" --name first --chunk-size 4KiB
put "$a" 0 4096 second
expect second "$a"
run snapshot "$a" --name second --description "one chunk differs from the first"
run store gc

# The second snapshot already holds the data that the rollback overwrites; the undo snapshot shares it.
expect undo-a "$a"
run rollback "$a" first
[ "$(sha256sum <"$a" | cut -d ' ' -f 1)" = "${sha256[first]}" ]

# A snapshot with a token, tags and a retention, and a rollback that was accepted to run later. It changes nothing.
key='GOLDEN0123456789 golden-golden-golden-golden'
(umask 077 && echo "$key" >"$work/keys")
"$program" --quiet serve --listen 127.0.0.1:18479 --access-key-file "$work/keys" >"$work/serve.log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
action() {
  # shellcheck disable=SC2086
  "$here/call_action.py" 127.0.0.1:18479 $key "$@"
}
disk_id=$("$program" --json list "$a" | jq -r '.disks[0].disk_id')
for _ in $(seq 50); do
  action Action=DescribeInstances RegionId=cn-local >"$work/answer" 2>&1 && break
  sleep 0.1
done
put "$a" 0 4096 noted
noted_id=$(action Action=CreateSnapshot "DiskId=$disk_id" SnapshotName=noted ClientToken=golden-token RetentionDays=30 \
  Tag.1.Key=stage Tag.1.Value=golden | jq -r .SnapshotId)
until "$program" --json list "$a" | jq -e ".disks[0].snapshots[] | select(.snapshot_id == \"$noted_id\").status ==
  \"accomplished\"" >"$work/answer"; do sleep 0.1; done
expect noted "$a"
action Action=ResetDisk "DiskId=$disk_id" "SnapshotId=$noted_id" >"$work/answer"
kill "$server" # which waits until it has run
wait "$server"
trap 'rm -rf "$work"' EXIT

# An image of the disk from another time.
cp "$a" "$work/old.img"
put "$work/old.img" 0 512 old
expect old "$work/old.img"
run import "$a" "$work/old.img" --name old --created-at 2013-07-01
# Its segments are removed with it.
put "$a" $((900 * 1024)) 4096 scrap
scrap_id=$("$program" --json snapshot "$a" --name scrap | jq -r .snapshot_id)
run delete "$scrap_id"
# Three snapshots share with it: a tombstone stays, and segments with holes in them.
first_id=$("$program" --json list "$a" | jq -r '.disks[0].snapshots[] | select(.name == "first").snapshot_id')
run delete "$first_id"

# A disk that came and went.
truncate -s 65536 "$work/c.img"
run disk register "$work/c.img"
run disk forget "$work/c.img"

# Disk b: 129 leaves, so trees of three levels; of an instance. Its rollback is interrupted at the only chunk that
# it has to write, because no file may grow beyond 64 MiB here (writes there fail with EFBIG).
truncate -s $((64 * 1024 * 1024 + 65536)) "$b"
put "$b" $((64 * 1024 * 1024 + 4096)) 4096 base
expect base "$b"
run snapshot "$b" --name base --chunk-size 4KiB
run instance create i-web --name web
run disk detach "$b"
run disk attach "$b" --instance i-web
put "$b" $((64 * 1024 * 1024 + 4096)) 4096 damaged
expect undo-b "$b"
if (trap '' XFSZ; ulimit -f 65536; run rollback "$b" base) 2>"$work/refused"; then
  echo "the rollback should have been cut off" >&2
  exit 1
fi
grep -qE 'blkrewind .*resume' "$work/refused" || { cat "$work/refused" >&2; exit 1; }

run verify
mkdir "$folder"
{
  echo "# What the snapshots of this store hold: disk, snapshot, name, kind, bytes, and of these bytes the"
  echo "# XXH3-64 (xxhsum -H3) and the SHA-256; the root digest that the store names."
  "$program" --json list |
    jq -r '.disks[] | (.path | split("/")[-1] | split(".")[0]) as $disk | .snapshots[] |
      [.disk_id, .snapshot_id, (.name // "undo-" + $disk), .kind, .device_bytes, .root_digest] | @tsv' |
    while IFS=$'\t' read -r disk_id id key kind bytes root; do
      printf '%s %s %s %s %s %s %s %s\n' \
        "$disk_id" "$id" "$key" "$kind" "$bytes" "${xxh3[$key]}" "${sha256[$key]}" "$root"
      run export "$id" "$work/export"
      [ "$(sha256sum <"$work/export" | cut -d ' ' -f 1)" = "${sha256[$key]}" ]
      rm "$work/export"
    done
} >"$folder/expected"
mkdir "$folder/store"
cp -r --sparse=never "$BLKREWIND_STORE"/. "$folder/store"
chmod -R u+rwX,go+rX "$folder"
du -sb "$folder"
