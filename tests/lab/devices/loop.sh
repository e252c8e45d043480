#!/bin/bash
# A loop device over an image file.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

image "$work/image" 4M
make_loop "$work/image" --direct-io=on
round "$made"
tracked_round "$made"
