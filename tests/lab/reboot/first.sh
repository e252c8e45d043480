#!/bin/bash
# Before the restart: snapshots of disks that reboot/second.sh looks for afterwards.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

# The tests of what is recognised after a restart share one folder, which stays.
keep=/lab/reboot
store=$keep/store
mkdir -p "$keep"
# In the order in which tests/lab/run.sh attaches them.
declare -A disk=([serial]=/dev/vdb [same]=/dev/vdd [other]=/dev/vde [empty]=/dev/vdf [copied]=/dev/vdg
  [moved]=/dev/vdi [table]=/dev/vdj1 [namespace]=$(namespace 2))
partition /dev/vdj <<'TABLE'
label: gpt
start=2048, size=4MiB
TABLE
for name in same other copied moved table; do mkfs.ext4 -q -O ^has_journal "${disk[$name]}"; done
for name in serial empty namespace; do fill "${disk[$name]}"; done
for name in "${!disk[@]}"; do
  check "snapshot of the disk '$name'" rewind snapshot "${disk[$name]}" --name "$name"
  save "${disk[$name]}" "$keep/$name"
done

image "$keep/image" 2M
fill "$keep/image"
check "snapshot of an image file" rewind snapshot "$keep/image" --name image
image "$keep/below" 2M
fill "$keep/below"
make_loop "$keep/below"
check "snapshot of a loop device" rewind snapshot "$made" --name loop
for name in image below; do save "$keep/$name" "$keep/$name.before"; done
