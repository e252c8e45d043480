#!/bin/bash
# A null_blk that keeps its data in memory.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

make_null lab 4
round "$made"
tracked_round "$made"
