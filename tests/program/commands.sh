# Every command once, and the files that a run leaves.
source "$(dirname "$0")/common.sh" "$@"
cd "$scratch" || exit 1

"$cmoe" --version | grep -qE '^cmoe [0-9]+\.[0-9]+\.[0-9]+ \(kernel (baseline|avx2|avx512), [0-9]+ threads\)$' || fail "--version"
for command in demo learn compare evaluate generate tokenize inspect export prune insert make-stream; do
  "$cmoe" $command --help | grep -q -- --help || fail "$command --help"
done
"$cmoe" learn --method pmoe --help | grep -q -- --pmoe-boundary || fail "the options of pmoe are not in its help"
"$cmoe" learn --method pmoe --help | grep -q -- --replay-memory && fail "the options of replay are in pmoe's help"
[[ $("$cmoe" tokenize --text 'AB é' --json) == '{"ids":[65,66,32,195,169],"pieces":['* ]] || fail "tokenize --json"
mkdir words
printf '{"a":0,"b":1,"ab":2,"Ġ":3,"<|endoftext|>":4}' >words/vocab.json
printf '#version: 0.2\na b\n' >words/merges.txt
[[ $("$cmoe" tokenize --tokenizer words --text 'ab a' --json --special) == '{"ids":[4,2,3,0,4],"pieces":["<|endoftext|>","ab","Ġ","a",'* ]] ||
  fail "tokenize --tokenizer FOLDER"
"$cmoe" make-stream --out stream --tasks reverse,cipher >/dev/null || fail "make-stream"
[[ -f stream/reverse/train.json && -f stream/reverse/eval.json && -f stream/cipher/test.json ]] || fail "files of make-stream"
printf '# a comment\ntask-steps = 3\nbatch = 4\nthreads = 1\n' >options.ini
"$cmoe" learn --config options.ini --method pmoe --stream stream --test-limit 6 --out run --json --quiet >result.json || fail "learn"
grep -q '"AP"' result.json || fail "learn --json has no metrics"
grep -q '"task_steps": 3' run/run.json || fail "--config was not read"
for file in run.json scores.csv metrics.json log.jsonl report.html checkpoint/state.safetensors adapter/adapter.safetensors; do
  [[ -s run/$file ]] || fail "the run has no $file"
done
[[ $(head -1 run/scores.csv) == "after,cipher,reverse" && $(wc -l <run/scores.csv) -eq 4 ]] || fail "scores.csv: $(cat run/scores.csv)"
"$cmoe" inspect run | grep -q '^experts *2$' || fail "inspect shows no experts"
"$cmoe" inspect run/adapter/adapter.safetensors | grep -q 'gate.weight' || fail "inspect of the adapter"
"$cmoe" evaluate --run run --stream stream --test-limit 6 --json --quiet | grep -q '"cipher"' || fail "evaluate --run --stream"
printf 'the boy eats the wet fox.\n' >text.txt
"$cmoe" evaluate --run run --text text.txt --json --quiet | grep -q '"perplexity"' || fail "evaluate --text"
"$cmoe" generate --run run --prompt 'REVERSE: abc' --max-tokens 5 --json --quiet | grep -q '"prompt_ids":\[257,82' || fail "generate --run"
printf 'REVERSE: abc' | "$cmoe" generate --prompt - --max-tokens 3 --temperature 1 --seed 5 --json --quiet >a
"$cmoe" generate --prompt 'REVERSE: abc' --max-tokens 3 --temperature 1 --seed 5 --json --quiet >b
grep -q '"ids":\[[0-9]' a || fail "generate --temperature 1 made nothing"
[[ $(grep -o '"ids":[^]]*' a) == "$(grep -o '"ids":[^]]*' b)" ]] || fail "the same seed gives another text"
finish
