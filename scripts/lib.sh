# Shared by the scripts in this folder; sourced, never run.
# shellcheck shell=bash

# Administration tools (mkfs, losetup, fsck) are not in the PATH of an ordinary user.
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
export LC_ALL=C.UTF-8

say() { printf '%s\n' "$*"; }
step() { printf '\n== %s\n' "$*"; }
die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# As many jobs as cores; BLKREWIND_JOBS overrides it.
jobs_count() { printf '%s' "${BLKREWIND_JOBS:-$(nproc)}"; }

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# configure PRESET [CMAKE ARGUMENTS...]: into build/PRESET, whatever the current directory is.
configure() {
  local preset=$1
  shift
  mkdir -p "$top/build"
  cmake --preset "$preset" -S "$top" "$@" >"$top/build/$preset.configure.log" 2>&1 || {
    cat "$top/build/$preset.configure.log" >&2
    die "cmake could not configure the preset '$preset'"
  }
}
