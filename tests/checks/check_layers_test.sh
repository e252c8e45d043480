#!/usr/bin/env bash
# Checks that scripts/check-layers finds each kind of violation, and none if there is none.
#
#   tests/checks/check_layers_test.sh SOURCE_DIR
set -euo pipefail
check=$1/scripts/check-layers
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

mkdir -p "$tree"/cli "$tree"/engine/include/blkrewind
for folder in base host freeze io format store track pipeline operations control; do
  mkdir "$tree/engine/$folder"
  : >"$tree/engine/$folder/thing.h"
done
: >"$tree/cli/options.h"
: >"$tree/engine/include/blkrewind/engine.h"

failures=0
# expect ok|breach FILE INCLUDE
expect() {
  local got=ok
  mkdir -p "$(dirname "$tree/$2")"
  printf '#include %s\n' "$3" >"$tree/$2"
  "$check" "$tree" >"$tree/out" 2>&1 || got=breach
  if [ "$got" != "$1" ]; then
    echo "$2 with $3: expected $1, got $got: $(cat "$tree/out")" >&2
    failures=$((failures + 1))
  elif [ "$got" = breach ] && ! grep -q "^$2:1:" "$tree/out"; then
    echo "$2 with $3: the message does not name file and line: $(cat "$tree/out")" >&2
    failures=$((failures + 1))
  fi
  rm "$tree/$2"
}

expect ok engine/io/a.cc '"base/thing.h"'
expect ok engine/io/a.cc '"io/thing.h"'
expect ok engine/io/a.cc '<vector>'
expect ok engine/io/a.cc '"host/thing.h"'
expect ok engine/store/a.cc '"format/thing.h"'
expect ok cli/parser.cc '<CLI/CLI.hpp>'
expect breach cli/commands.cc '<CLI/CLI.hpp>'
expect breach cli/serve/server.cc '<spdlog/spdlog.h>'
expect breach engine/store/a.cc '<SQLiteCpp/SQLiteCpp.h>'
expect ok engine/control/catalog/catalog.cc '<SQLiteCpp/SQLiteCpp.h>'
expect ok engine/track/bitmap/a.cc '"track/thing.h"'
expect ok engine/pipeline/a.cc '"track/thing.h"'
expect ok engine/operations/a.cc '"store/thing.h"'
expect ok engine/control/a.cc '"operations/thing.h"'
expect ok engine/control/a.cc '"blkrewind/engine.h"'
expect ok cli/a.cc '"options.h"'
expect ok cli/a.cc '<blkrewind/engine.h>'
expect breach engine/base/a.cc '"io/thing.h"'
expect breach engine/host/a.cc '"io/thing.h"'
expect breach engine/format/a.cc '<store/thing.h>'
expect breach engine/store/a.cc '"track/thing.h"'
expect breach engine/track/a.cc '"store/thing.h"'
expect breach engine/track/a.cc '"pipeline/thing.h"'
expect breach engine/pipeline/a.cc '"operations/thing.h"'
expect breach engine/operations/a.cc '"control/thing.h"'
expect breach engine/store/a.cc '"nowhere/thing.h"'
expect breach engine/io/a.cc '"../base/thing.h"'
expect breach engine/include/blkrewind/a.h '"base/thing.h"'
expect breach cli/a.cc '"base/thing.h"'
expect breach cli/a.cc '"operations/thing.h"'

# A source has a folder.
expect breach engine/a.cc '<vector>'
expect breach engine/include/a.h '<vector>'
expect breach engine/elsewhere/a.cc '<vector>'
exit $((failures > 0))
