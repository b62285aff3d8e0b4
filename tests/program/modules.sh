# prune and insert: what they write is a model for every other command, and what cannot be is refused before anything is written.
source "$(dirname "$0")/common.sh" "$@"
cd "$scratch" || exit 1
printf 'the boy eats the wet fox. REVERSE: abc cba. %.0s' {1..20} >text.txt
number() { grep -o "\"$2\": *[0-9.]*" "$1" | head -1 | sed 's/.*: *//'; }
expect_smaller() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a < b) }' || fail "$3: $1 is not below $2"; }

"$cmoe" prune --text text.txt --keep 3 --out pruned --json --quiet >pruned.json || fail "prune --keep"
expect_smaller "$(number pruned.json parameters)" "$(number pruned.json parameters_before)" "parameters after pruning"
"$cmoe" inspect pruned | grep -q 'mlpf.experts.weight *F32 *(3,128,128)' || fail "the pruned model has not three modules"
"$cmoe" evaluate --model pruned --text text.txt --json --quiet | grep -q '"perplexity"' || fail "evaluate --model of a pruned model"
"$cmoe" generate --model pruned --prompt 'COPY: abc' --max-tokens 3 --json --quiet | grep -q '"ids":\[' || fail "generate --model of a pruned model"
"$cmoe" prune --text text.txt --threshold 0.000001 --keep-mass --out unused --json --quiet >unused.json || fail "prune --threshold"
[[ $(number unused.json nll_before) == "$(number unused.json nll)" ]] || fail "removing what nobody chose changed the likelihood"

for init in zero-output copies split random; do
  "$cmoe" insert --model pruned --attention-experts 1 --feed-experts 2 --init $init --out grown-$init --json --quiet >grown.json || fail "insert --init $init"
  expect_smaller "$(number grown.json parameters_before)" "$(number grown.json parameters)" "parameters after inserting"
  "$cmoe" evaluate --model grown-$init --text text.txt --json --quiet | grep -q '"perplexity"' || fail "evaluate --model grown-$init"
done
"$cmoe" inspect grown-copies | grep -q 'h.2.mlpf.experts.weight *F32 *(5,128,128)' || fail "no two modules more in the last block"
"$cmoe" inspect grown-copies | grep -q 'h.0.mlpf.experts.weight *F32 *(3,128,128)' || fail "a module in the block below the boundary"

"$cmoe" learn --method moduleformer --model grown-copies --order reverse,cipher --task-steps 3 --test-limit 4 --out run --quiet >/dev/null || fail "learn with a folder"
"$cmoe" prune --run run --text text.txt --keep 4 --out learnt --quiet >/dev/null || fail "prune --run"
"$cmoe" evaluate --model learnt --text text.txt --json --quiet | grep -q '"perplexity"' || fail "evaluate --model of a pruned run"
"$cmoe" inspect learnt | grep -q 'insertion_gate.weight *F32 *(2,128)' || fail "the gate of the run's insertions is lost"

expect_error 1 "only 1 would stay, each token uses 2" -- prune --text text.txt --keep 1 --out x --quiet
expect_error 1 "would stay" -- prune --text text.txt --threshold 0.9 --out x --quiet
expect_error 1 "either --keep K or --threshold F" -- prune --text text.txt --out x --quiet
expect_error 1 "at least one is needed" -- insert --out x --quiet
expect_error 1 "pruned" -- prune --text text.txt --keep 2 --out pruned --quiet
expect_error 1 "needs a ModuleFormer" -- prune --model nowhere --text text.txt --keep 2 --out x --quiet
expect_error 1 "would never choose new ones" -- insert --model learnt --feed-experts 1 --out x --quiet
expect_error 1 "another run has learnt" -- learn --method moduleformer --model learnt --order cipher --task-steps 1 --test-limit 2 --out y --quiet
expect_error 2 "--init" -- insert --init nothing --feed-experts 1 --out x
sed -i 's/"k_att": 2/"k_att": 9/' grown-split/config.json
expect_error 1 "each token uses 9" -- evaluate --model grown-split --text text.txt --quiet
sed -i 's/"n_embd": 128/"n_embd": 1000000/' grown-random/config.json
expect_error 1 "transformer.wte.weight" -- evaluate --model grown-random --text text.txt --quiet
head -c 3000 pruned/model.safetensors >cut && mv cut pruned/model.safetensors
expect_error 1 "model.safetensors" -- evaluate --model pruned --text text.txt --quiet
[[ ! -e x ]] || fail "a refused command left a folder"
[[ -z $(find . -name '*.tmp.*') ]] || fail "a temporary folder was left behind"
finish
