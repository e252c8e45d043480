#!/bin/bash
# An opened LUKS volume is itself after it was closed and opened; one that was formatted anew is another.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

image "$work/image" 16M
make_loop "$work/image"
below=$made
make_luks lab-secret "$below" 8M
fill "$made"
save "$made" "$work/before"
id=$(file_as before "$made")
damage "$made"
cryptsetup close lab-secret
cryptsetup open --key-file "$work/key" "$below" lab-secret
check "rollback after it was opened again" rewind rollback "$made" before
check "the bytes are those of the snapshot" holds "$made" "$work/before"
cryptsetup close lab-secret
make_luks lab-secret "$below" 8M
fill "$made"
save "$made" "$work/now"
refused "formatted anew it is not written to" rewind rollback "$made" before
check "nothing was written" holds "$made" "$work/now"
check "it is a disk of its own" distinct "$id" "$(file_as other "$made")"
