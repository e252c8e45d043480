#!/usr/bin/env bash
# Installs a build into an empty prefix and uses it as another project would: by CMake package and by pkg-config,
# shared and static, and by the installed program.
#
#   tests/install/run.sh BUILD_DIR SOURCE_DIR COMPILER
set -euo pipefail
build=$1 source=$2 compiler=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

quietly() {
  "$@" >"$work/log" 2>&1 || {
    cat "$work/log" >&2
    echo "failed: $*" >&2
    exit 1
  }
}

quietly cmake --install "$build" --prefix "$prefix"

echo "== CMake package"
# The example is copied out, so that only the installed files can be found.
cp -r "$source/docs/examples" "$work/examples"
quietly cmake -S "$work/examples" -B "$work/out" -DCMAKE_PREFIX_PATH="$prefix" \
  -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_BUILD_TYPE=Debug
quietly cmake --build "$work/out" -j 2
"$work/out/embed_shared" "$work/run1"
"$work/out/embed_static" "$work/run2"

echo "== pkg-config"
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name blkrewind.pc)")
export PKG_CONFIG_PATH
libdir=$(pkg-config --variable=libdir blkrewind)
read -ra shared < <(pkg-config --cflags --libs blkrewind)
quietly "$compiler" -std=c++20 "$work/examples/embed.cc" -o "$work/embed_shared" "${shared[@]}"
LD_LIBRARY_PATH=$libdir "$work/embed_shared" "$work/run3"
# The archive by its file name: -lblkrewind would find the shared library beside it first.
read -ra static < <(pkg-config --static --cflags --libs blkrewind |
  sed 's/-lblkrewind/-l:libblkrewind.a/')
quietly "$compiler" -std=c++20 "$work/examples/embed.cc" -o "$work/embed_static" "${static[@]}"
"$work/embed_static" "$work/run4"

echo "== what the shared library shows"
# Internal symbols must not be exported, because an embedding program has its own SQLite and spdlog. (Weak symbols
# of the standard library are shared on purpose.)
nm -D --defined-only --demangle "$libdir/libblkrewind.so" >"$work/symbols"
grep -q ' blkrewind::Engine::open' "$work/symbols" || { echo "Engine is not exported" >&2; exit 1; }
if grep -E ' [TBDR] |SQLite|sqlite3|spdlog|fmt::' "$work/symbols" | grep -vE ' [TBDR] blkrewind::'; then
  echo "exported and not ours (above)" >&2
  exit 1
fi

echo "== the program"
if [ -x "$prefix/bin/blkrewind" ]; then
  "$prefix/bin/blkrewind" --version
fi

echo "== the nbdkit plugin"
plugin=$(find "$prefix" -name nbdkit-blkrewind-plugin.so)
if [ -n "$plugin" ]; then
  # nbdkit and its filters must not see what is linked into it.
  [ "$(nm -D --defined-only "$plugin" | cut -d ' ' -f 3)" = plugin_init ] ||
    { echo "the plugin exports more than plugin_init" >&2; exit 1; }
  nbdkit "$plugin" --dump-plugin >"$work/plugin"
  grep -qx 'name=blkrewind' "$work/plugin"
  [ -f "$prefix/share/man/man1/nbdkit-blkrewind-plugin.1" ]
fi
