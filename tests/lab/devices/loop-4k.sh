#!/bin/bash
# A loop device with sectors of 4 KiB.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

image "$work/image" 4M
make_loop "$work/image" --sector-size 4096
round "$made"
tracked_round "$made"
