# cmoe compare: methods x seeds x orders, its files, resuming, failures that do not spread, refusals; abilities and budgets.
source "$(dirname "$0")/common.sh" "$@"
page=$2
cd "$scratch" || exit 1

printf '# two orders\nreverse, cipher\n\ncipher,reverse\n' >orders.txt
printf 'the boy eats the wet fox and the girl sees a red hen near the old barn, then all of them go home and sleep well.\n' >ability.txt
cp ability.txt other.txt
small=(--task-steps 2 --batch 4 --test-limit 4 --quiet)
options=(compare --methods seqlora,pmoe --seeds 1,2 --orders orders.txt --ability ability.txt,other.txt --threads 1 "${small[@]}")

# All runs, and what is written.
"$cmoe" "${options[@]}" --out all >table || fail "compare"
[[ $(find all/runs -mindepth 1 -maxdepth 1 | wc -l) -eq 8 ]] || fail "not 8 run folders: $(ls all/runs)"
for file in run.json scores.csv metrics.json log.jsonl report.html checkpoint/state.safetensors; do
  [[ -s all/runs/pmoe-seed2-order1/$file ]] || fail "a run of a comparison has no $file"
done
[[ $(head -1 all/runs/seqlora-seed1-order1/scores.csv) == after,reverse,cipher ]] || fail "order 1 is not the first line of the file"
[[ $(head -1 all/runs/seqlora-seed1-order2/scores.csv) == after,cipher,reverse ]] || fail "order 2 is not the second"
[[ $(wc -l <all/compare.csv) -eq 9 && $(head -1 all/compare.csv) == method,seed,order,AP,*,seconds,trainable,stored,error ]] || fail "compare.csv: $(cat all/compare.csv)"
[[ $(grep -c '"method":' all/compare.json) -eq 8 && $(grep -c '"error"' all/compare.json) -eq 0 ]] || fail "not 8 runs in compare.json"
for word in '"configuration": {' '"summary": {' '"runs": \[' '"mean":' '"sd": [0-9]' '"n": 4' '"seed": 2' '"order": 2' '"trainable": [1-9]' \
  '"stored": [1-9]' '"seconds": [0-9]' '"ability_delta": ' '"nll_after": ' '"finished": true' '"command": "cmoe compare --methods seqlora,pmoe'; do
  grep -q "$word" all/compare.json || fail "compare.json has no $word"
done
grep -q '"routing_accuracy": {' all/compare.json || fail "the summary has no routing accuracy"
grep -qE '^method +runs +AP +forget +BWT +learnt +routing +oracle +ability +trainable +stored +seconds$' table || fail "the table's head: $(cat table)"
grep -qE '^pmoe +4 +[0-9.]+ \+- [0-9.]+ ' table || fail "the table's line of pmoe: $(cat table)"
grep -q '±' all/report.html && grep -q 'runs/pmoe-seed2-order2/report.html' all/report.html && grep -q 'table class="heat"' all/report.html || fail "report.html"
"$cmoe" learn --method pmoe --order cipher,reverse --seed 2 --ability ability.txt,other.txt --threads 1 "${small[@]}" --out alone >alone.txt || fail "learn"
cmp -s alone/scores.csv all/runs/pmoe-seed2-order2/scores.csv || fail "a run of a comparison differs from the same run alone"
cmp -s alone/metrics.json all/runs/pmoe-seed2-order2/metrics.json || fail "its metrics differ"
grep -q '^ability delta .*no task told$' alone.txt || fail "learn does not print the ability delta: $(cat alone.txt)"

# Paired: each seed takes its turn of the orders.
"$cmoe" compare --methods seqlora --seeds 1,2 --orders orders.txt --paired --threads 1 "${small[@]}" --out paired >/dev/null || fail "paired"
[[ $(ls paired/runs | tr '\n' ' ') == "seqlora-seed1-order1 seqlora-seed2-order2 " ]] || fail "paired runs: $(ls paired/runs)"

# Stopped and resumed, in whatever way: the same numbers. A comparison is not overwritten, and not resumed as another one.
"$cmoe" "${options[@]}" --out half >/dev/null &
for ((i = 0; i < 200; ++i)); do [[ -s half/runs/pmoe-seed1-order1/report.html ]] && break; sleep 0.05; done
kill -KILL $! 2>/dev/null
wait $! 2>/dev/null
expect_error 1 "already holds a comparison" -- "${options[@]}" --out half
expect_error 1 "/options/task_steps differs" -- "${options[@]/#2/3}" --out half --resume
expect_error 1 "/seeds" -- compare --methods seqlora,pmoe --seeds 1,3 --orders orders.txt --ability ability.txt,other.txt "${small[@]}" --out half --resume
"$cmoe" "${options[@]}" --out half --resume >/dev/null 2>&1 &
sleep 0.3
kill -INT $! 2>/dev/null
wait $!
status=$?
[[ $status -eq 130 || $status -eq 0 ]] || fail "status $status after an interrupt"
before=$(stat -c %y half/runs/seqlora-seed1-order1/run.json)
"$cmoe" "${options[@]}" --out half --resume --json >half.json || fail "resuming"
[[ $(stat -c %y half/runs/seqlora-seed1-order1/run.json) == "$before" ]] || fail "a finished run was run again"
cmp -s half.json half/compare.json || fail "--json is not compare.json"
without_time() { sed -E 's/"seconds": [0-9.e-]+//; /"(mean|sd|command)": /d' "$1"; }
cmp -s <(without_time all/compare.json) <(without_time half/compare.json) || fail "a resumed comparison differs: $(diff <(without_time all/compare.json) <(without_time half/compare.json) | head -5)"
numbers() { awk -F, '{ $16 = ""; print }' "$1"; }
[[ $(head -1 all/compare.csv | cut -d, -f16) == seconds ]] || fail "column 16 of compare.csv is not the time"
cmp -s <(numbers all/compare.csv) <(numbers half/compare.csv) || fail "the numbers of a resumed comparison differ"

# A run that fails is recorded, and the others are kept.
"$cmoe" compare --methods seqft,pmoe --order cipher --pmoe-boundary 99 "${small[@]}" --out failing >table 2>stderr
[[ $? -eq 1 && $(wc -l <stderr) -eq 1 ]] && grep -q '^cmoe: 1 of 2 runs failed' stderr || fail "a failing run: $(cat stderr)"
grep -q '"error": "adapted: boundary 99' failing/compare.json && grep -q 'failed: pmoe-seed1-order1: adapted' table || fail "the error of a run is not kept"
grep -qE '^seqft +1 +[0-9.]+ ' table || fail "the run beside a failing one: $(cat table)"
[[ $(wc -l <failing/compare.csv) -eq 3 ]] || fail "compare.csv beside a failing run"

# Equal budgets: ranks are chosen, and what cannot be matched is said.
"$cmoe" compare --methods seqlora,pmoe,seta,seqft --order cipher,reverse --budget 20000 "${small[@]}" --out budget >table || fail "compare --budget"
grep -q '^budget of seqft: not matched: neither rank nor density' table || fail "seqft has no rank: $(cat table)"
grep -qE '^budget of pmoe: rank [0-9]+: [0-9]+ trainable parameters a task, budget 20000$' table || fail "the budget of pmoe: $(cat table)"
grep -qE '^budget of seta: density 0\.[0-9]+: at most (19|20)[0-9]{3} ' table || fail "the budget of seta: $(cat table)"
grep -q '"by": "rank"' budget/runs/pmoe-seed1-order1/run.json || fail "run.json does not say how the budget was met"
"$cmoe" learn --method moelora --order cipher --budget 200000 "${small[@]}" --out budget/runs/moelora-seed1-order1 >/dev/null || fail "learn --budget"
grep -qE '"expected": (19|20)[0-9]{4}' budget/runs/moelora-seed1-order1/run.json || fail "the budget of a method whose rank is shared out: $(grep expected budget/runs/moelora-seed1-order1/run.json)"
for method in seqlora pmoe; do
  trained=$(grep -o '"trainable": [0-9]*' budget/runs/$method-seed1-order1/run.json | grep -o '[0-9]*')
  expected=$(grep -o '"expected": [0-9]*' budget/runs/$method-seed1-order1/run.json | grep -o '[0-9]*')
  [[ $trained -eq $expected && $trained -gt 16000 && $trained -lt 24000 ]] || fail "$method trains $trained, expected $expected of 20000"
done

"$cmoe" evaluate --run budget/runs/pmoe-seed1-order1 --stream builtin --test-limit 2 --json --quiet | grep -q '"cipher"' || fail "a run with a chosen rank is not opened again"

# Lists stand in a configuration file as on the command line.
printf 'methods = seqlora,seqft\nseeds = 4,5\norder = cipher\ntask-steps = 1\ntest-limit = 2\nquiet = true\n' >compare.ini
"$cmoe" compare --config compare.ini --out from-file >/dev/null && [[ -s from-file/runs/seqft-seed5-order1/report.html ]] || fail "compare --config"

# Refusals, before anything is run.
printf 'reverse,nowhere\n' >unknown.txt
printf 'reverse,cipher\nreverse,copy\n' >mixed.txt
printf '# none\n' >none.txt
printf 'reverse,cipher\nreverse,cipher\n' >double.txt
expect_error 1 "1 seeds leave some of 2 orders out" -- compare --methods seqft --orders orders.txt --paired --out x
expect_error 1 "unknown.txt, line 1: 'nowhere' is no task" -- compare --methods seqft --orders unknown.txt --out x
expect_error 1 "line 2" -- compare --methods seqft --orders mixed.txt --out x
expect_error 1 "holds no order" -- compare --methods seqft --orders none.txt --out x
expect_error 1 "line 2: this order stands twice" -- compare --methods seqft --orders double.txt --out x
expect_error 1 "'nothing' is unknown" -- compare --methods seqft,nothing --out x
expect_error 1 "seqft twice" -- compare --methods seqft,pmoe,seqft --out x
expect_error 1 "--seeds names 2 twice" -- compare --methods seqft --seeds 2,02 --out x
expect_error 1 "'-1' is not a whole number" -- compare --methods seqft --seeds 1,-1 --out x
expect_error 1 "missing.txt" -- compare --methods seqft --ability missing.txt --out x
expect_error 1 "ability.txt twice" -- learn --method seqft --ability ability.txt,ability.txt "${small[@]}" --out x
expect_error 2 "--budget" -- compare --methods seqft --budget 5 --rank 2 --out x
[[ ! -e x/compare.json ]] || fail "a refused comparison wrote something"

# The page of results is made from summaries, again the same, and a hand edit is seen.
export CMOE_RESULTS_PAGE=$page CMOE_RESULTS_DOCS=$scratch/docs
"$CMOE_SOURCE_DIR/scripts/results" tiny=all/compare.json with-budget=budget/compare.json || fail "scripts/results"
[[ -s docs/results/tiny.json && $(wc -c <docs/results/tiny.json) -lt 20000 ]] || fail "the summary is missing or not small"
sed 's|--out all|--out /a/place|' all/compare.json >absolute.json
"$page" --summary absolute.json >/dev/null 2>stderr && fail "a summary with absolute paths is kept"
grep -q 'absolute paths' stderr || fail "absolute paths: $(cat stderr)"
grep -q '"runs"' docs/results/tiny.json && fail "the summary holds runs"
grep -q '^| pmoe | 4 | .* ± ' docs/results.md && grep -q '^cmoe compare --methods seqlora' docs/results.md && grep -q '^- seqft: has neither' docs/results.md || fail "results.md: $(cat docs/results.md)"
cmp -s docs/results.md <("$page" all/compare.json) && fail "two comparisons give the page of one"
cp docs/results.md first.md
"$CMOE_SOURCE_DIR/scripts/results" && cmp -s docs/results.md first.md || fail "the page is not the same again"
finish
