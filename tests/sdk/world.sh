# A store with disks, snapshots and instances in every state that the API has an answer for. Sourced by
# run.sh, which owns $work and takes everything down; nothing here cleans up.
#
# In: $program, $work. Out: $store, $work/world.json ("values": what {placeholders} of errors.json stand
# for), and processes that hold a disk, stopped, so that "right now" lasts as long as a test needs.
# shellcheck shell=bash
# shellcheck disable=SC2154  # program and work are the caller's

store=$work/store
declare -A values
loops_used=0
images_used=0

brw() { "$program" --store "$store" --json "$@"; }
value_of() { jq -er "$@"; }

# make_device NAME MIB: a loop device over a new file, or the file itself; its path is {device.NAME}.
make_device() {
  local name=$1 mib=$2 file=$work/$1.img path
  truncate -s "${mib}M" "$file"
  if [ "${BLKREWIND_SDK_IMAGES:-0}" = 0 ] && path=$(losetup --find --show "$file" 2>>"$work/losetup.log"); then
    loops_used=$((loops_used + 1))
  else
    path=$file
    images_used=$((images_used + 1))
  fi
  values[device.$name]=$path
}

# fill NAME MIB: random bytes from the beginning on.
fill() {
  dd if=/dev/urandom of="${values[device.$1]}" bs=1M count="$2" conv=notrunc,fsync status=none
}

# add_disk NAME [INSTANCE]: {disk.NAME}; it belongs to i-local when no instance is named.
add_disk() {
  values[disk.$1]=$(brw disk register "${values[device.$1]}" | value_of .disk_id)
  [ $# -ge 2 ] || return 0
  brw disk detach "${values[disk.$1]}" >"$work/out"
  brw disk attach "${values[disk.$1]}" --instance "$2" >"$work/out"
}

# take NAME: {snapshot.NAME}, of the disk as it is now.
take() {
  values[snapshot.$1]=$(brw snapshot "${values[disk.$1]}" --name "$1" | value_of .snapshot_id)
}

# disk_with_snapshot NAME MIB [INSTANCE]
disk_with_snapshot() {
  make_device "$1" "$2"
  fill "$1" "$2"
  add_disk "$1" "${@:3}"
  take "$1"
}

add_instance() {
  brw instance create "$1" --name "$2" >"$work/out"
  values[instance.$2]=$1
}

# Keeps `blkrewind ARGUMENTS...` in the middle of its work: it runs until the state that CONDITION (a
# shell command) asks for is there, and is stopped then, with the locks that it holds.
# hold CONDITION ARGUMENTS...; status 1 when it ended before that was seen.
hold() {
  local condition=$1 pid
  shift
  # Not through brw: its subshell would be stopped, and the program below it would go on.
  "$program" --store "$store" --json "$@" >"$work/held.out" 2>&1 &
  pid=$!
  echo "$pid" >>"$work/held.pids"
  while sleep 0.01; kill -STOP "$pid" 2>/dev/null; do
    # The state of a stopped process is what it will stay. It must not have stopped with a log in
    # its hands: no other process could write, and one that waits for the log ignores SIGTERM.
    if { eval "$condition" && timeout --signal=KILL 2 "$program" --store "$store" -q store gc; } 2>/dev/null; then
      disown "$pid"  # no message when it is killed at the end
      return 0
    fi
    kill -CONT "$pid" 2>/dev/null || true
  done
  wait "$pid" || { cat "$work/held.out" >&2; echo "world: '$*' failed" >&2; exit 1; }
  return 1
}

# hold_again CONDITION BETWEEN ARGUMENTS...: tries until it is held; BETWEEN makes new work for it.
hold_again() {
  local condition=$1 between=$2 try
  shift 2
  for try in 1 2 3 4 5 6 7 8; do
    eval "$between"
    if hold "$condition" "$@"; then return 0; fi
    echo "world: '$1' was too fast to be caught, try $try" >&2
  done
  echo "world: '$1' could not be caught in the middle" >&2
  exit 1
}

damage() {
  local place file offset
  place=$(grep --only-matching --byte-offset --text --max-count 1 'BYTES TO BE DAMAGED' "$store"/disks/*/segments/* | head -n 1)
  file=${place%%:*}
  offset=$(cut -d : -f 2 <<<"$place")
  printf 'X' | dd of="$file" bs=1 seek="$offset" conv=notrunc status=none
  if brw verify "${values[snapshot.damaged]}" >"$work/out" 2>&1; then
    echo "world: verify did not notice the damage" >&2
    exit 1
  fi
}

make_world() {
  brw store init >"$work/out"
  local name
  for name in story stopped busy running locked expired arrears; do add_instance "i-$name" "$name"; done
  values[instance.local]=i-local
  brw instance start i-running >"$work/out"
  brw instance start i-story >"$work/out"

  make_device story 32
  fill story 24  # the rest stays a hole
  add_disk story i-story
  disk_with_snapshot plain 4 i-stopped
  disk_with_snapshot twin 4 i-stopped
  disk_with_snapshot other 4
  disk_with_snapshot spare 4 i-stopped  # attached and detached by tests
  for name in running locked expired arrears; do disk_with_snapshot "$name" 1 "i-$name"; done
  brw instance lock i-locked --reason security >"$work/out"
  brw instance set i-expired --expires-at 2020-01-01T00:00:00Z >"$work/out"
  brw instance set i-arrears --arrears yes >"$work/out"
  disk_with_snapshot detached 1 i-stopped
  brw disk detach "${values[disk.detached]}" >"$work/out"

  make_device old 1
  fill old 1
  add_disk old i-stopped
  cp "$work/old.img" "$work/old.backup"
  values[snapshot.old]=$(brw import "${values[disk.old]}" "$work/old.backup" --name old \
    --created-at 2013-07-15T23:59:59Z | value_of .snapshot_id)
  brw disk detach "${values[disk.old]}" >"$work/out"
  brw disk attach "${values[disk.old]}" --instance i-stopped >"$work/out"

  make_device damaged 1
  fill damaged 1
  printf 'BYTES TO BE DAMAGED' | dd of="${values[device.damaged]}" conv=notrunc,fsync status=none
  add_disk damaged i-stopped
  take damaged
  damage

  # More than one page of ten.
  make_device paging 1
  add_disk paging i-stopped
  for name in $(seq 1 12); do
    brw snapshot "${values[disk.paging]}" --name "page-$name" >"$work/out"
  done

  hold_disks
  write_world
}

# Three disks at work: a snapshot, a rollback and a comparison that do not end while the tests run.
hold_disks() {
  disk_with_snapshot slow 256 i-busy
  # shellcheck disable=SC2016  # expanded by eval, when the moment is there
  hold_again '[ -n "$(unfinished slow)" ]' 'brw delete unfinished >"$work/out" 2>&1 || true; fill slow 256' snapshot "${values[disk.slow]}" --name unfinished
  values[snapshot.unfinished]=$(unfinished slow)

  disk_with_snapshot resetting 256 i-busy
  # shellcheck disable=SC2016
  hold_again 'brw disk show "${values[disk.resetting]}" | value_of .pending_rollback.running >/dev/null' \
    'fill resetting 256' rollback "${values[disk.resetting]}" resetting --no-undo

  disk_with_snapshot compared 256 i-busy
  # shellcheck disable=SC2016
  hold_again 'is_locked compared' 'fill compared 256' diff "${values[disk.compared]}" compared
}

unfinished() {
  brw list "${values[disk.$1]}" | value_of '.disks[0].snapshots[] | select(.status == "progressing") | .snapshot_id'
}

# A rollback that would be made now is refused because another operation works on the disk.
is_locked() {
  ! brw rollback --dry-run "${values[disk.$1]}" "$1" >"$work/out" 2>"$work/refusal" &&
    grep -q '"Operation.Conflict"' "$work/refusal"
}

write_world() {
  local name
  for name in "${!values[@]}"; do printf '%s\t%s\n' "$name" "${values[$name]}"; done |
    jq -R -n '[inputs | split("\t") | {(.[0]): .[1]}] | add | {values: .}' >"$work/world.json"
}
