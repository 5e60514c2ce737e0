#!/bin/sh
# exports_test.sh NM LIBRARY: only vibed_* is exported.
set -eu
others=$("$1" -D --defined-only "$2" | awk '{print $3}' | grep -v '^vibed_' || true)
[ -z "$others" ] || { echo "exported, and should not be:"; echo "$others"; exit 1; }
"$1" -D --defined-only "$2" | grep -q ' vibed_classify$'
