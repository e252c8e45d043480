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
check "snapshot" rewind snapshot "$made" --name before
damage "$made"
save "$made" "$work/damaged"
dmsetup suspend lab-flakey
dmsetup reload lab-flakey --table "0 8192 flakey $below 0 0 60 1 drop_writes"
dmsetup resume lab-flakey

# drop_writes leaves reads alone while it is down.
claims_nothing() {
  local status=0
  rewind --json rollback "$made" before >"$work/receipt" 2>&1 || status=$?
  [ "$status" -ne 0 ] || jq -e '.verified_after == "none"' "$work/receipt" ||
    { cat "$work/receipt" && false; }
}
not_zero() { ! "$@"; }
check "a rollback that was dropped fails, or says that nothing was read back" claims_nothing
check "one with everything read again fails" not_zero rewind rollback "$made" before --paranoid
holds "$made" "$work/damaged" || echo "  # the device did not drop the writes"
