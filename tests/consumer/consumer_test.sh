#!/bin/sh
# consumer_test.sh CMAKE BUILD PROJECT EXAMPLE: installs BUILD, then builds and runs PROJECT against it, found by
# CMake and by pkg-config, in C++ and in C.
set -eu
cmake=$1 build=$2 project=$3 example=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

"$cmake" --install "$build" --prefix "$prefix" > "$work/log" || { cat "$work/log"; exit 1; }
# Relocated: the prefix is not that of the configuration.
libdir=$(dirname "$(find "$prefix" -name 'libvibed_c.so' | head -1)")
export LD_LIBRARY_PATH="$libdir"

check() {
  answer=$("$@" "$example")
  case $answer in
    *static-nginx*) echo "ok: $1" ;;
    *) echo "wrong answer of $1: $answer"; exit 1 ;;
  esac
}

export CFLAGS="${FLAGS:-}" CXXFLAGS="${FLAGS:-}"
"$cmake" -S "$project" -B "$work/build" -DCMAKE_PREFIX_PATH="$prefix" > "$work/log" 2>&1 || { cat "$work/log"; exit 1; }
"$cmake" --build "$work/build" > "$work/log" 2>&1 || { cat "$work/log"; exit 1; }
check "$work/build/from_cpp"
check "$work/build/from_c"

export PKG_CONFIG_PATH="$libdir/pkgconfig"
static=$([ "$SHARED" = 1 ] || echo --static)
pc="$PKG_CONFIG --define-variable=prefix=$prefix"
# shellcheck disable=SC2086,SC2046
$CXX $CXXFLAGS -std=c++20 "$project/main.cpp" -o "$work/pc_cpp" $($pc $static --cflags --libs vibed)
# shellcheck disable=SC2086,SC2046
$CC $CFLAGS "$project/main.c" -o "$work/pc_c" $($pc --cflags --libs vibed-c)
check "$work/pc_cpp"
check "$work/pc_c"
