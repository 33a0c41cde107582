#!/usr/bin/env bash
# A user's world from an installed copy alone: built, examined, trained, killed and resumed, sampled, evaluated, reported. Mistakes in
# it are named and nothing aborts.
# usage: permutations_test.sh BUILD_DIR EXAMPLE_DIR CMAKE GENERATOR CXX CXX_FLAGS
set -euo pipefail
build=$1 example=$2 cmake=$3 generator=$4 cxx=$5 flags=$6
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }
quiet() { "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "$*"; }; }
expect_exit() {  # expect_exit CODE COMMAND...
  local want=$1 got=0
  shift
  "$@" >"$work/out" 2>"$work/err" || got=$?
  [ "$got" = "$want" ] || { cat "$work/out" "$work/err" >&2; fail "exit code $got instead of $want: $*"; }
}
expect_error() { grep -qF "$1" "$work/err" || { cat "$work/err" >&2; fail "no word of: $1"; }; }

quiet "$cmake" --install "$build" --prefix "$work/installed"
"$work/installed/bin/gfn" --version | grep -q LibTorch || fail "the installed gfn does not find its library"
cp -r "$example" "$work/example"  # nothing beside it that could help
[ "$(wc -l <"$work/example/main.cc")" -le 45 ] || fail "the example has more than 45 lines"
cd "$work/example"
build_it() {
  quiet "$cmake" -S . -B "$work/build" -G "$generator" -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_CXX_FLAGS="$flags" -DCMAKE_PREFIX_PATH="$work/installed"
  quiet "$cmake" --build "$work/build"
}
build_it
own="$work/build/permutations"

# The command line, with the keys of the world.
expect_exit 0 "$own" --help
expect_exit 0 "$own" describe --keys
grep -q 'task.theta' "$work/out" || fail "describe --keys does not know the world's keys"
expect_exit 0 "$own" describe permutations.yaml
grep -qE 'objects +120' "$work/out" || fail "describe does not count the objects"
expect_exit 2 "$own" train permutations.yaml --out "$work/run" --set task.itmes=4
expect_error "did you mean 'items'"
expect_exit 2 "$own" train permutations.yaml --out "$work/run" --set task.items=99
expect_error "task.items"
expect_exit 0 "$own" doctor permutations.yaml

# Trained twice, once without and once with a kill: the same run.
expect_exit 0 "$own" train permutations.yaml --out "$work/run"
"$own" train permutations.yaml --out "$work/killed" >/dev/null 2>&1 &
pid=$!
for _ in $(seq 600); do compgen -G "$work/killed/checkpoints/step_000250" >/dev/null && break; sleep 0.1; done
kill -9 "$pid" 2>/dev/null || true
wait "$pid" 2>/dev/null || true
[ -e "$work/killed/checkpoints/step_000250" ] || fail "no checkpoint after a minute"
expect_exit 0 "$own" train permutations.yaml --out "$work/killed" --resume
cmp "$work/run/metrics.jsonl" "$work/killed/metrics.jsonl" || fail "a resumed run has other metrics"
expect_exit 2 "$own" train permutations.yaml --out "$work/killed" --resume --set task.theta=2
expect_error "task.theta: 1 -> 2"

expect_exit 0 "$own" sample "$work/run" --num 5
[ "$(wc -l <"$work/out")" = 5 ] || fail "not 5 samples"
expect_exit 0 "$own" eval "$work/run" --json "$work/eval.json"
distance=$(grep -oE '"total_variation": *[0-9.e-]+' "$work/eval.json" | head -n 1 | grep -oE '[0-9.e-]+$')
awk -v d="$distance" 'BEGIN { exit !(d < 0.05) }' || fail "total variation $distance"
expect_exit 0 "$own" estimate "$work/run" --what log_z
expect_exit 0 "$own" report "$work/run"
grep -q permutations "$work/run/report.html" || fail "the report does not name the world"
expect_exit 0 "$own" doctor "$work/run"

# A mistake: what takes back forgets an item. Neither doctor nor training takes it for a world.
sed -i 's/\*(std::find(row, row + n_, -1) - 1) = -1;/*(std::find(row, row + n_, -1) - 1) = 0;/' main.cc
grep -q -- '- 1) = 0;' main.cc || fail "the example has changed: no mistake could be made"
build_it
for command in doctor train; do
  expect_exit 1 "$own" $command permutations.yaml $([ $command = train ] && echo "--out $work/wrong")
  expect_error "the world permutations breaks its contract"
  expect_error "Undo(Step(s, a), BackwardAction(s, a)) is not s"
done
[ ! -e "$work/wrong" ] || fail "a world with a mistake left a run folder"
