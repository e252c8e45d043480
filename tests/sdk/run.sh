#!/usr/bin/env bash
# Lets a client of the cloud's API work against `blkrewind serve` on real devices, and takes down what it
# made, whatever happens.
#
#   tests/sdk/run.sh PROGRAM node|python|go
#
#   node     the published SDKs from npm, unchanged, at the versions of package-lock.json
#   python   a signer of its own, from Python's standard library (second_client.py)
#   go       aliyungo, the SDK that Debian packages
#
# The devices are loop devices; where there are none, image files, and the first line says so
# (BLKREWIND_SDK_IMAGES=1 asks for them). BLKREWIND_SDK_KEEP=1 keeps the folder.
# Exit status: 77 when a client is not to be had here, and why is printed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin LC_ALL=C.UTF-8
[ $# = 2 ] || { sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
program=$(realpath "$1")
client=$2

skip() {
  printf '\n**** SKIPPED: %s ****\n' "$*"
  exit 77
}
for tool in jq losetup; do
  command -v "$tool" >/dev/null || skip "$tool is not installed (scripts/install-deps run)"
done
case $client in
  node)
    command -v node >/dev/null || skip "node is not installed (scripts/install-deps test)"
    export BLKREWIND_SDK_MODULES=$top/build/sdk
    status=0
    "$here/install.sh" "$BLKREWIND_SDK_MODULES" || status=$?
    [ "$status" != 77 ] || exit 77
    [ "$status" = 0 ] || exit 1
    ;;
  python)
    export PYTHONDONTWRITEBYTECODE=1  # nothing is left in the source tree
    command -v python3 >/dev/null || skip "python3 is not installed (scripts/install-deps test)"
    ;;
  go)
    command -v go >/dev/null || skip "go is not installed (scripts/install-deps test)"
    [ -d /usr/share/gocode/src/github.com/denverdino/aliyungo ] ||
      skip "aliyungo is not installed (golang-github-denverdino-aliyungo-dev)"
    ;;
  *) echo "run.sh: '$client' is none of node, python, go" >&2; exit 2 ;;
esac

work=$(mktemp -d "${TMPDIR:-/tmp}/blkrewind-sdk.XXXXXX")
server=""
clean_up() {
  local status=$? pid loop
  trap - EXIT INT TERM HUP
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  if [ -f "$work/held.pids" ]; then
    while read -r pid; do
      kill -KILL "$pid" 2>/dev/null || continue
      while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
    done <"$work/held.pids"
  fi
  wait 2>/dev/null || true
  while read -r loop; do losetup --detach "$loop" 2>/dev/null || true; done < <(
    losetup --list --noheadings --output NAME,BACK-FILE | awk -v work="$work/" 'index($2, work) == 1 { print $1 }')
  if [ "$status" != 0 ] && [ -f "$work/serve.log" ]; then
    echo "---- the server's last words"
    tail -n 10 "$work/serve.log"
  fi
  if [ "${BLKREWIND_SDK_KEEP:-0}" = 1 ]; then echo "kept: $work"; else rm -rf "$work"; fi
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# shellcheck source-path=SCRIPTDIR source=world.sh
. "$here/world.sh"
make_world
if [ "$images_used" = 0 ]; then
  echo "devices: $loops_used loop devices"
else
  echo "devices: NOT all are loop devices: $loops_used, and $images_used image files" \
    "($(tail -n 1 "$work/losetup.log" 2>/dev/null || echo asked for))"
fi

# Two keys: each client signs with the second, so that the first is not taken by accident.
(umask 077 && printf '%s\n' 'another-key another-secret' 'test-key test-secret' >"$work/keys")
# Not through brw: its process would be a subshell's child, and a signal would end the subshell alone.
"$program" --store "$store" serve --listen 127.0.0.1:0 --access-key-file "$work/keys" \
  --region cn-local >"$work/serve.out" 2>"$work/serve.log" &
server=$!
for _ in $(seq 200); do
  grep -q '^listening on ' "$work/serve.out" && break
  kill -0 "$server" 2>/dev/null || { echo "run.sh: the server ended at once" >&2; exit 1; }
  sleep 0.05
done
endpoint=$(sed -n 's/^listening on //p' "$work/serve.out")
[ -n "$endpoint" ] || { echo "run.sh: the server does not listen" >&2; exit 1; }
jq --arg endpoint "$endpoint" --arg program "$program" --arg store "$store" \
  '. + {endpoint: $endpoint, program: $program, store: $store, region: "cn-local",
        key_id: "test-key", key_secret: "test-secret"}' "$work/world.json" >"$work/world.tmp"
mv "$work/world.tmp" "$work/world.json"
export BLKREWIND_SDK_WORLD=$work/world.json

case $client in
  node) node "$here/main.mjs" ;;
  python) python3 "$here/second_client.py" ;;
  go)
    # As Debian lays out Go's libraries: a GOPATH, no modules, nothing from a network.
    GOFLAGS="" GO111MODULE=off CGO_ENABLED=0 GOPATH=/usr/share/gocode GOCACHE=$work/gocache \
      go build -o "$work/go_client" "$here/go/main.go"
    "$work/go_client" "$here/errors.json"
    ;;
esac

# Every answer was logged, and the server stops when it is told to.
kill -TERM "$server"
status=0
wait "$server" || status=$?
server=""
[ "$status" = 0 ] || { echo "run.sh: the server ended with status $status" >&2; exit 1; }
