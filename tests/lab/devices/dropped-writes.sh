#!/bin/bash
# A device that acknowledges writes and drops them: no receipt says that the bytes were seen on it.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

image "$work/image" 4M
make_loop "$work/image"
below=$made
modprobe dm_flakey
dm lab-flakey "0 8192 flakey $below 0 60 0" --uuid LAB-flakey
later dm_gone lab-flakey
fill "$made"
save "$made" "$work/before"
check "snapshot" rewind snapshot "$made" --name before

# drop_writes leaves reads alone while it is down.
switch() { # drops|keeps
  local table="0 8192 linear $below 0"
  [ "$1" = keeps ] || table="0 8192 flakey $below 0 0 60 1 drop_writes"
  dmsetup suspend lab-flakey
  dmsetup reload lab-flakey --table "$table"
  dmsetup resume lab-flakey
}
damage_and_drop() {
  switch keeps
  damage "$made"
  save "$made" "$work/damaged"
  switch drops
}
dropped() { check "$1: the device dropped the writes" holds "$made" "$work/damaged"; }
says_none() { rewind --json rollback "$made" before "$@" | jq -e '.verified_after == "none"'; }

damage_and_drop
expect 4 "read back: a rollback fails" rewind rollback "$made" before --verify-after written
dropped "read back"
expect 4 "read back: so does its resume" rewind resume "$made" --verify-after written
switch keeps
check "read back: it is resumed once the device keeps what is written" rewind resume "$made"
check "read back: the bytes are those of the snapshot" holds "$made" "$work/before"

damage_and_drop
expect 4 "with everything read again: a rollback fails" rewind rollback "$made" before --paranoid
dropped "with everything read again"
switch keeps
check "with everything read again: it is taken back" rewind undo "$made"
check "with everything read again: the bytes are those of before" holds "$made" "$work/damaged"

damage_and_drop
check "with nothing read back: the receipt says so" says_none --verify-after none
dropped "with nothing read back"

# What is read back by default depends on what that costs.
fails_or_says_none() {
  local status=0
  rewind --json rollback "$made" before >"$work/receipt" 2>&1 || status=$?
  [ "$status" = 4 ] || { [ "$status" = 0 ] && jq -e '.verified_after == "none"' "$work/receipt"; } ||
    { cat "$work/receipt" && false; }
}
damage_and_drop
check "by default: a rollback fails, or says that nothing was read back" fails_or_says_none
dropped "by default"
