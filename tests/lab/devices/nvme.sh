#!/bin/bash
# A namespace of an NVMe controller.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

modprobe nvme
wait_for /dev/nvme0n1
round /dev/nvme0n1
tracked_round /dev/nvme0n1
