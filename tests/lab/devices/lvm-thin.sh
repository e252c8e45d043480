#!/bin/bash
# A thin logical volume.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

image "$work/image" 64M
make_loop "$work/image"
modprobe dm_mod
modprobe dm_thin_pool
quiet pvcreate -y "$made"
quiet vgcreate -y -s 1M labthin "$made"
later "vgremove -f -y labthin"
# Not by volume(): vgmknodes fails on a pool that no thin_check has looked at.
quiet lvcreate -y -Zn --type thin-pool -n pool -L 32M --poolmetadatasize 2M --poolmetadataspare n labthin
quiet lvcreate -y -V 8M --thinpool pool -n volume labthin
wait_for /dev/labthin/volume
round /dev/labthin/volume
tracked_round /dev/labthin/volume
