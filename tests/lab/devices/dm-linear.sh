#!/bin/bash
# A linear device-mapper device; the kernel program does not track it.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

image "$work/image" 24M
make_loop "$work/image"
dm lab-linear "0 32768 linear $made 8192" --uuid LAB-linear
later dm_gone lab-linear
round "$made"
refused "track start is refused" rewind track start "$made"
