#!/bin/bash
# A namespace of an NVMe controller.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

device=$(namespace 1)
round "$device"
tracked_round "$device"
