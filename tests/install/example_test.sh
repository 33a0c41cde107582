#!/usr/bin/env bash
# Installs the library into a temporary folder, builds an example against that copy alone, and runs it.
# usage: example_test.sh BUILD_DIR EXAMPLE_DIR CMAKE GENERATOR CXX CXX_FLAGS
set -euo pipefail
build=$1 example=$2 cmake=$3 generator=$4 cxx=$5 flags=$6
name=$(basename "$example")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$cmake" --install "$build" --prefix "$work/installed" >"$work/log" || { cat "$work/log"; exit 1; }
cp -r "$example" "$work/example"  # nothing beside it that could help
"$cmake" -S "$work/example" -B "$work/build" -G "$generator" -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_CXX_FLAGS="$flags" -DCMAKE_PREFIX_PATH="$work/installed" >"$work/log" ||
  { cat "$work/log"; exit 1; }
"$cmake" --build "$work/build" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
output=$("$work/build/$name")
echo "$output"
case $name in
  # The distance of what was learned from the target.
  own_world) awk '{ if ($1 != "total" || $3 > 0.05) exit 1 }' <<<"$output" ;;
  # EM with a sampler gains at least nine tenths of what EM with the exact posterior gains.
  hidden_markov)
    awk '{ value[$1] = $2 } END { exit !(value["exact"] > value["start"] + 0.1 && value["sampler"] - value["start"] > 0.9 * (value["exact"] - value["start"])) }' <<<"$output" ;;
  *) false ;;
esac || { echo "the example is far from its target: $output"; exit 1; }
