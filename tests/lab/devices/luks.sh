#!/bin/bash
# An opened LUKS volume.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

image "$work/image" 12M
make_loop "$work/image"
make_luks lab-luks "$made" 8M
round "$made"
tracked_round "$made"
