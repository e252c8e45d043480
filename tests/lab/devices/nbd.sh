#!/bin/bash
# A network block device.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

make_nbd "$work/image" 0 10809
round "$made"
tracked_round "$made"
