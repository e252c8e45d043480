#!/bin/bash
# A null_blk that keeps its data in memory.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

modprobe null_blk nr_devices=0
make_null lab 16
round "$made"
tracked_round "$made"
