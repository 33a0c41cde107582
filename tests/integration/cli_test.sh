#!/usr/bin/env bash
# The binary as a user meets it: usage, a short training run of a real model, kill -9 and resume, samples, evaluation, report.
# usage: cli_test.sh GFN SOURCE_DIR PART; exit code 77: skipped, the model is not there.
set -euo pipefail
gfn=$1 source=$2 part=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$source"
fail() { echo "FAILED: $*" >&2; exit 1; }
expect_exit() {  # expect_exit CODE COMMAND...
  local want=$1 got=0
  shift
  "$@" >"$work/out" 2>"$work/err" || got=$?
  [ "$got" = "$want" ] || { cat "$work/out" "$work/err" >&2; fail "exit code $got instead of $want: $*"; }
}
need_model() { [ -f .deps/models/SmolLM2-135M-Instruct.Q4_1.gguf ] || { echo "skipped: no model in .deps/models (tools/setup)"; exit 77; }; }

case $part in
  usage)
    expect_exit 0 "$gfn" --help
    grep -q train "$work/out" || fail "--help does not list the commands"
    expect_exit 0 "$gfn" train --help
    expect_exit 0 "$gfn" --version
    grep -q LibTorch "$work/out" || fail "--version does not name LibTorch"
    expect_exit 2 "$gfn"
    expect_exit 2 "$gfn" fly
    expect_exit 2 "$gfn" train
    expect_exit 2 "$gfn" train configs/infill/smoke.yaml --out "$work/run" --set lora.rnk=3 --set train.max_steps=-1
    grep -q "did you mean 'rank'" "$work/err" || fail "an unknown key is not answered with the known ones"
    grep -q "max_steps" "$work/err" || fail "only one of two mistakes is reported"
    [ ! -e "$work/run" ] || fail "a bad configuration left a run folder"
    expect_exit 1 "$gfn" eval "$work/nothing"
    ;;
  links)
    # A start of LibTorch costs 0.3 s and 115 MB: the executable must not link it.
    readelf -d "$gfn" >"$work/gfn"
    readelf -d "$(dirname "$gfn")/libgfn_engine.so" >"$work/engine"
    grep NEEDED "$work/gfn" | grep -E 'torch|c10' && fail "gfn links LibTorch"
    grep NEEDED "$work/engine" | grep libtorch_cuda && fail "the engine links CUDA"
    grep NEEDED "$work/engine" | grep libtorch_cpu >/dev/null || fail "the engine should link LibTorch's CPU library"
    ;;
  road)
    need_model
    # Shorter than the recipe in everything but its turns.
    recipe=(configs/infill/smoke.yaml --set task.simulation.attempts=32 --set task.support.max_len=8 --set train.max_steps=4
            --set train.conditions_per_step=1 --set validation.every_steps=4 --set evaluation.max_conditions=1)
    "$gfn" train "${recipe[@]}" --out "$work/a" >/dev/null
    # The same run, killed once a checkpoint is there, and resumed.
    "$gfn" train "${recipe[@]}" --out "$work/b" >/dev/null 2>&1 &
    pid=$!
    for _ in $(seq 600); do compgen -G "$work/b/checkpoints/step_000002" >/dev/null && break; sleep 0.2; done
    kill -9 "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    [ -e "$work/b/checkpoints/step_000002" ] || fail "no checkpoint after two minutes"
    "$gfn" train "${recipe[@]}" --out "$work/b" --resume >/dev/null
    cmp "$work/a/metrics.jsonl" "$work/b/metrics.jsonl" || fail "a resumed run has other metrics"
    last=$(ls "$work/a/checkpoints" | tail -n 1)
    cmp "$work/a/checkpoints/$last/parameters.safetensors" "$work/b/checkpoints/$last/parameters.safetensors" || fail "other parameters"
    cmp "$work/a/checkpoints/$last/optimizer.safetensors" "$work/b/checkpoints/$last/optimizer.safetensors" || fail "another optimiser state"
    expect_exit 2 "$gfn" train "${recipe[@]}" --out "$work/b" --resume --set lora.alpha=9
    head -n 2 data/stories/test.jsonl | "$gfn" sample "$work/a" --input - --num 3 >"$work/samples.jsonl"
    [ "$(wc -l <"$work/samples.jsonl")" = 6 ] || fail "expected 6 samples"
    grep -q '"log_pf"' "$work/samples.jsonl" || fail "samples have no log_pf"
    "$gfn" eval "$work/a" --split test --max-conditions 2 --samples 2 --json "$work/eval.json" >/dev/null
    grep -q left_context "$work/eval.json" || fail "the evaluation lacks a baseline"
    "$gfn" report "$work/a" >/dev/null
    grep -q "</html>" "$work/a/report.html" || fail "no report"
    "$gfn" describe "$work/a" >"$work/describe"
    grep -q healthy "$work/describe" || fail "describe does not see healthy checkpoints"
    # A damaged checkpoint is refused with its reason; the one before it is used.
    printf 'x' | dd of="$work/a/checkpoints/$last/parameters.safetensors" bs=1 seek=2000 conv=notrunc 2>/dev/null
    "$gfn" describe "$work/a" >"$work/describe"
    grep -E "step 4 " "$work/describe" | grep healthy && fail "a damaged checkpoint looks healthy"
    "$gfn" eval "$work/a" --checkpoint last --max-conditions 1 --samples 2 >"$work/out" 2>&1
    grep -q "skipping.*$last" "$work/out" || fail "a damaged checkpoint is not skipped"
    ;;
  tasks)
    # Every other task on a language model: its short recipe, an evaluation beside the untrained model, samples, a report.
    need_model
    "$gfn" data arithmetic --set train=60 --set test=8 --out "$work/data" >/dev/null
    for task in continuation random_number arithmetic subjectivity posterior; do
      keys=(--set train.max_steps=2 --set validation.every_steps=0)
      [ $task != arithmetic ] || keys+=(--set "task.data.train=$work/data/train.jsonl" --set "task.data.test=$work/data/test_3.jsonl"
                                       --set "task.demonstrations.data=$work/data/demonstrations.jsonl")
      "$gfn" train configs/$task/smoke.yaml "${keys[@]}" --out "$work/$task" >/dev/null 2>"$work/err" || { cat "$work/err" >&2; fail "$task"; }
      "$gfn" eval "$work/$task" --samples 2 --max-conditions 1 >"$work/table"
      grep -q untrained "$work/table" || fail "$task is not compared with the untrained model"
      "$gfn" report "$work/$task" >/dev/null
      grep -q "</html>" "$work/$task/report.html" || fail "$task has no report"
    done
    head -n 1 "$work/data/test_3.jsonl" | "$gfn" sample "$work/arithmetic" --input - --num 3 >"$work/samples.jsonl"
    "$gfn" sample "$work/arithmetic" --input "$work/data/test_3.jsonl" --score "$work/samples.jsonl" >"$work/scored.jsonl"
    [ "$(grep -c '"log_pf"' "$work/scored.jsonl")" = 3 ] || fail "samples with a calculator are outside when they are scored"
    # A program that fails in the middle: the run says so, keeps its checkpoint and goes on when the program is mended.
    printf 'import sys\nfor i, line in enumerate(sys.stdin):\n  if i == 2: sys.exit("no memory left")\n' >"$work/judge.py"
    printf '  import json; print(json.dumps({"log_rewards": [0 for _ in json.loads(line)["texts"]]}), flush=True)\n' >>"$work/judge.py"
    recipe=(configs/posterior/smoke.yaml --set "task.reward=[{kind: likelihood}, {kind: command, command: [python3, $work/judge.py]}]"
            --set checkpoint.every_steps=1 --set validation.every_steps=0)
    expect_exit 1 "$gfn" train "${recipe[@]}" --out "$work/judged"
    grep -q "no memory left" "$work/err" || fail "the last words of a reward program are lost"
    sed -i 's/i == 2/i == 600/' "$work/judge.py"
    "$gfn" train "${recipe[@]}" --out "$work/judged" --resume >/dev/null
    ;;
  sweep)
    # Six short runs; killed in the middle, the same command goes on with it and makes no run twice.
    printf 'recipe: configs/hypergrid/tb.yaml\nset: [train.max_steps=40, task.policy.width=16, evaluation.samples=64, validation.every_steps=0]\n' >"$work/sweep.yaml"
    printf 'grid: [{key: optimizer.learning_rate, values: [1e-3, 1e-2, 1e-1]}]\nseeds: 2\nmetrics: [total_variation]\n' >>"$work/sweep.yaml"
    "$gfn" sweep "$work/sweep.yaml" --out "$work/a" >"$work/table" 2>/dev/null
    grep -q total_variation "$work/table" || fail "the table lacks its metric"
    [ "$(grep -c '^1e-' "$work/table")" = 3 ] || fail "expected a row for each of 3 points"
    grep -q "</html>" "$work/a/sweep.html" || fail "no page"
    "$gfn" sweep "$work/sweep.yaml" --out "$work/b" >/dev/null 2>&1 &
    pid=$!
    for _ in $(seq 600); do [ -e "$work/b/learning_rate=1e-3_seed_2" ] && break; sleep 0.05; done
    kill -9 "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    before=$(stat -c %Y.%i "$work/b/learning_rate=1e-3_seed_1/metrics.jsonl")
    "$gfn" sweep "$work/sweep.yaml" --out "$work/b" >"$work/again" 2>/dev/null
    cmp "$work/table" "$work/again" || fail "a sweep that was killed has another table"
    [ "$before" = "$(stat -c %Y.%i "$work/b/learning_rate=1e-3_seed_1/metrics.jsonl")" ] || fail "a finished run was made again"
    "$gfn" compare "$work"/a/*seed_1 --out "$work/compare.html" >"$work/table"
    grep -q "^optimizer.learning_rate " "$work/table" || fail "what differs between the runs is not in the table"
    grep -q "^train.max_steps" "$work/table" && fail "what does not differ is"
    grep -q "^total_variation" "$work/table" || fail "the comparison has no evaluation"
    grep -q "</html>" "$work/compare.html" || fail "no page of the comparison"
    expect_exit 1 "$gfn" compare "$work/a" "$work/b" --out "$work/compare2.html"
    expect_exit 2 "$gfn" sweep "$work/sweep.yaml" --set task.policy.width=8 --out "$work/b"
    grep -q "another configuration" "$work/err" || fail "results of another configuration are taken for this one's"
    expect_exit 2 "$gfn" sweep "$work/sweep.yaml" --grid optimizer.learning_rat=1 --out "$work/c"
    grep -q "did you mean 'learning_rate'" "$work/err" || fail "a key that is none is not answered"
    ;;
  estimate)
    "$gfn" train configs/hypergrid/tb.yaml --out "$work/grid" --set train.max_steps=5 --set task.policy.width=16 --set evaluation.samples=64 >/dev/null
    "$gfn" estimate "$work/grid" --what log_z,flow,free_energy,entropy,marginal --after 0,1 --samples 200 --json "$work/estimate.json" >"$work/table"
    for name in log_z_snis log_flow free_energy entropy_upper marginal_by_flow; do
      grep -q "$name" "$work/table" || fail "the table lacks $name"
      grep -q "\"$name\"" "$work/estimate.json" || fail "the file lacks $name"
    done
    grep -q '"exact"' "$work/estimate.json" || fail "a world that can be listed has no exact values"
    # A sampler of another reward: what is exact is missed, in the table, in words and in the file.
    "$gfn" train configs/hypergrid/tb.yaml --out "$work/wrong" --set train.max_steps=200 --set task.policy.width=16 \
      --set evaluation.samples=64 --set optimizer.learning_rate=0.5 --set train.rollouts=4 >/dev/null
    "$gfn" estimate "$work/wrong" --what log_z --samples 200 --json "$work/wrong.json" >"$work/table"
    grep -q "misses exact" "$work/table" || fail "the table does not say that the exact value is missed"
    grep -q "warning: log_z misses the exact value by" "$work/table" || fail "no warning says by how much"
    grep -q '"misses_exact": true' "$work/wrong.json" || fail "the file does not say that the exact value is missed"
    expect_exit 2 "$gfn" estimate "$work/grid" --what entrpy
    grep -q "entropy" "$work/err" || fail "an unknown quantity is not answered with the known ones"
    expect_exit 2 "$gfn" estimate "$work/grid" --what flow --after 0,2
    grep -q "finishes the object" "$work/err" || fail "a finished object is taken for a state"
    expect_exit 2 "$gfn" estimate "$work/grid" --what mutual_information
    grep -q "not a tree" "$work/err" || fail "mutual information of places in a DAG is not refused"
    ;;
  world)
    # A world needs no model: the whole road, killed and resumed.
    recipe=(configs/hypergrid/tb.yaml --set task.side=4 --set "task.policy={kind: tabular}" --set threads=1 --set train.rollouts=16
            --set optimizer.learning_rate=0.05 --set train.max_steps=60 --set validation.every_steps=30 --set evaluation.samples=64
            --set checkpoint.every_steps=5)
    "$gfn" train "${recipe[@]}" --out "$work/a" >/dev/null
    grep -q "Probability of every object" "$work/a/report.html" || fail "training does not end with the picture of the distribution"
    "$gfn" train "${recipe[@]}" --out "$work/b" --set train.max_steps=100000 >/dev/null 2>&1 &
    pid=$!
    for _ in $(seq 600); do compgen -G "$work/b/checkpoints/step_*" >/dev/null && break; sleep 0.1; done
    kill -9 "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    "$gfn" train "${recipe[@]}" --out "$work/c" --set train.max_steps=30 >/dev/null
    "$gfn" train "${recipe[@]}" --out "$work/c" --resume >/dev/null
    cmp "$work/a/metrics.jsonl" "$work/c/metrics.jsonl" || fail "a resumed run has other metrics"
    "$gfn" describe "$work/b" >"$work/describe"
    grep -q healthy "$work/describe" || fail "a killed run has no healthy checkpoint"
    "$gfn" eval "$work/a" --json "$work/eval.json" >"$work/table"
    grep -q "total variation" "$work/table" || fail "the table lacks the exact distance"
    grep -q total_variation "$work/eval.json" || fail "the numbers lack the exact distance"
    "$gfn" sample "$work/a" --num 3 >"$work/samples.jsonl"
    [ "$(wc -l <"$work/samples.jsonl")" = 3 ] || fail "expected 3 samples"
    "$gfn" doctor "$work/a" >"$work/doctor"
    grep -q "all green" "$work/doctor" || fail "doctor is not green"
    "$gfn" describe configs/hypergrid/tb.yaml >"$work/describe"
    grep -q "64 states" "$work/describe" || fail "describe does not know the world"
    expect_exit 2 "$gfn" train "${recipe[@]}" --out "$work/d" --set train.rollouts=0
    expect_exit 2 "$gfn" train "${recipe[@]}" --out "$work/d" --set "objective={kind: subtb, lambda: 0}"
    grep -q "objective.lambda" "$work/err" || fail "lambda outside (0, 1] is not named"
    expect_exit 2 "$gfn" train "${recipe[@]}" --out "$work/d" --set task.metrics.exact=required --set task.metrics.max_states=10
    grep -q "task.metrics.exact" "$work/err" || fail "exact metrics of a large world are not refused by their key"
    ;;
  doctor)
    need_model
    for dtype in bf16 fp32; do
      "$gfn" doctor configs/infill/smoke.yaml --set model.dtype=$dtype --set task.support.max_len=6 | tee "$work/doctor"
      grep -q "all green" "$work/doctor" || fail "doctor is not green in $dtype"
    done
    ;;
  *) fail "unknown part $part" ;;
esac
echo "passed: $part"
