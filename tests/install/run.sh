#!/usr/bin/env bash
# Installs a build into an empty prefix and uses it as another project would: by CMake package and by pkg-config,
# shared and static, from C++, C and Python, and by the installed program.
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
"$work/out/look_inside_shared" "$work/run3"
"$work/out/look_inside_static" "$work/run4" >/dev/null
# A project in C alone.
mkdir "$work/c"
cat >"$work/c/CMakeLists.txt" <<EOF
cmake_minimum_required(VERSION 3.25)
project(c_alone LANGUAGES C)
find_package(blkrewind REQUIRED COMPONENTS shared)
add_executable(look_inside $work/examples/look_inside.c)
target_link_libraries(look_inside PRIVATE blkrewind::shared)
EOF
quietly cmake -S "$work/c" -B "$work/c/out" -DCMAKE_PREFIX_PATH="$prefix"
quietly cmake --build "$work/c/out"
"$work/c/out/look_inside" "$work/run5" >/dev/null

echo "== pkg-config"
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name blkrewind.pc)")
export PKG_CONFIG_PATH
libdir=$(pkg-config --variable=libdir blkrewind)
read -ra shared < <(pkg-config --cflags --libs blkrewind)
quietly "$compiler" -std=c++20 "$work/examples/embed.cc" -o "$work/embed_shared" "${shared[@]}"
LD_LIBRARY_PATH=$libdir "$work/embed_shared" "$work/run6"
strict_c=(cc -std=c11 -pedantic -Wall -Wextra -Werror)
quietly "${strict_c[@]}" "$work/examples/look_inside.c" -o "$work/look_inside_shared" "${shared[@]}"
LD_LIBRARY_PATH=$libdir "$work/look_inside_shared" "$work/run7" >/dev/null
# The archive by its file name: -lblkrewind would find the shared library beside it first.
read -ra static < <(pkg-config --static --cflags --libs blkrewind |
  sed 's/-lblkrewind/-l:libblkrewind.a/')
quietly "$compiler" -std=c++20 "$work/examples/embed.cc" -o "$work/embed_static" "${static[@]}"
"$work/embed_static" "$work/run8"
quietly "${strict_c[@]}" "$work/examples/look_inside.c" -o "$work/look_inside_static" "${static[@]}"
"$work/look_inside_static" "$work/run9" >/dev/null

echo "== the header of the C interface"
header=$prefix/include/blkrewind/blkrewind.h
cat >"$work/header.c" <<EOF
#include <blkrewind/blkrewind.h>
int main(void) {
  blkrewind_open_options options = BLKREWIND_INIT(blkrewind_open_options);
  return options.size == sizeof options ? 0 : 1;
}
EOF
compiles=(-pedantic -Wall -Wextra -Werror -fsyntax-only "-I$prefix/include" "$work/header.c")
for standard in c11 c17; do
  quietly cc -x c -std=$standard "${compiles[@]}"
done
for standard in c++11 c++17 c++20; do
  quietly "$compiler" -x c++ -std=$standard "${compiles[@]}"
done
version=$(pkg-config --modversion blkrewind)
grep -qF "BLKREWIND_VERSION_STRING \"$version\"" "$prefix/include/blkrewind/version.h" ||
  { echo "version.h is not of version $version" >&2; exit 1; }

echo "== Python"
python=
for candidate in python3 /usr/bin/python3; do
  if "$candidate" -c 'import cffi' 2>/dev/null; then
    python=$candidate
    break
  fi
done
[ -n "$python" ] || { echo "no Python with cffi (python3-cffi): scripts/install-deps" >&2; exit 1; }
"$python" -B "$work/examples/look_inside.py" "$work/run10"

echo "== what the shared library shows"
# Before 1.0 each minor version is an interface of its own.
objdump -p "$libdir/libblkrewind.so" | grep -qE "SONAME +libblkrewind\.so\.${version%.*}\$" ||
  { echo "the soname is not of version $version" >&2; exit 1; }
# The functions of the C header, and no other name of C.
cc -E -P "-I$prefix/include" "$header" | grep -oE '\bblkrewind_[a-z_]+\(' | tr -d '(' | sort -u >"$work/declared"
nm -D --defined-only "$libdir/libblkrewind.so" | awk '$NF !~ /^_Z/ {print $NF}' | sort >"$work/exported"
if ! grep -qx blkrewind_open "$work/declared" || ! diff "$work/declared" "$work/exported" >&2; then
  echo "declared (<) and exported (>) functions of C differ (above)" >&2
  exit 1
fi
# Internal symbols must not be exported, because an embedding program has its own SQLite and spdlog. (Weak symbols
# of the standard library are shared on purpose.)
nm -D --defined-only --demangle "$libdir/libblkrewind.so" >"$work/symbols"
grep -q ' blkrewind::Engine::open' "$work/symbols" || { echo "Engine is not exported" >&2; exit 1; }
if grep -E ' [TBDR] |SQLite|sqlite3|spdlog|fmt::' "$work/symbols" | grep -vE ' [TBDR] blkrewind(::|_)'; then
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
