# The manual in every form agrees with the options; configuration files, colours and exit statuses are as it says.
source "$(dirname "$0")/common.sh" "$@"
cd "$scratch" || exit 1
commands="demo learn compare evaluate generate tokenize inspect export prune insert make-stream manual"

# The manual page names every option that --help names, and is well formed.
"$cmoe" manual man >cmoe.1 || fail "manual man"
"$cmoe" manual markdown >program.md || fail "manual markdown"
cmp program.md "$CMOE_SOURCE_DIR/docs/program.md" || fail "docs/program.md is not what the program says: cmoe manual markdown >docs/program.md"
for command in $commands; do
  for option in $("$cmoe" "$command" --help | grep -oE '^  (-h,)?--[a-z0-9-]+' | grep -oE -- '--[a-z0-9-]+'); do
    [[ $option == --help ]] && continue
    grep -qF -- "${option//-/\\-}" cmoe.1 || fail "the manual page lacks $option of $command"
    grep -qF -- "\`$option\`" program.md || fail "the page lacks $option of $command"
  done
done
[[ $("$cmoe" learn --help | grep -cE '^  --') -gt 40 ]] || fail "learn --help shows hardly any options"
if command -v mandoc >/dev/null; then
  mandoc -T lint -W warning cmoe.1 | grep -v 'missing date' && fail "mandoc finds fault with the manual page"
  mandoc -T ascii cmoe.1 | sed $'s/.\b//g' | grep -q 'pmoe-boundary' || fail "the manual page does not show an option of pmoe"
fi

# Completion: commands, options, and the values of those that have a list.
"$cmoe" manual completion >completion || fail "manual completion"
source completion
complete_words() { COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) && _cmoe && echo "${COMPREPLY[*]}"; }
[[ $(complete_words cmoe le) == learn ]] || fail "cmoe le"
[[ $(complete_words cmoe learn --task-s) == --task-steps ]] || fail "--task-s"
[[ $(complete_words cmoe learn --method p) == "pmoe pertask progprompt" ]] || fail "--method p"
[[ $(complete_words cmoe export --format p) == peft ]] || fail "--format p"
[[ -z $(complete_words cmoe evaluate --text so) ]] || fail "names of files are bash's own"

# A configuration file with everything that has a default, comments and all, changes nothing.
"$cmoe" manual config learn >all.toml || fail "manual config"
[[ $(grep -c '^# [a-z0-9-]* = ' all.toml) -gt 40 ]] || fail "hardly any options in the file"
sed -E '/= ""$/d; /^# (out|resume|json|quiet|method|budget|task-epochs|window) = /d; s/^# ([a-z0-9-]+ = .*)/\1  # as it is/' all.toml >file.toml
printf '; a comment of the other kind\n[learn]\norder = "cipher" # trailing\n' | cat file.toml - >config.toml
few=(--method seqlora --task-steps 1 --test-limit 2 --batch 4 --quiet)
"$cmoe" learn "${few[@]}" --order cipher --out plain >/dev/null || fail "a plain run"
"$cmoe" --config config.toml learn "${few[@]}" --out configured >/dev/null || fail "a run with a configuration file"
cmp plain/scores.csv configured/scores.csv || fail "the file of defaults changed the scores"
for run in plain configured; do tail -c 300000 $run/checkpoint/state.safetensors >$run.weights; done  # in front of them stands the time taken
cmp plain.weights configured.weights || fail "the file of defaults changed the weights"
diff <(grep -v '"seconds"' plain/run.json) <(grep -v '"seconds"' configured/run.json) || fail "the file of defaults changed the configuration"
printf 'seed = 5 # another\n' >seed.toml
"$cmoe" --config seed.toml learn "${few[@]}" --order cipher --out other >/dev/null || fail "a seed from a file"
cmp -s plain.weights <(tail -c 300000 other/checkpoint/state.safetensors) && fail "the seed of the file was not taken"
echo 'no-such-option = 1' >wrong.toml
expect_error 2 "no-such-option" -- --config wrong.toml learn "${few[@]}" --out x
expect_error 2 "none.toml" -- --config none.toml learn "${few[@]}" --out x

# Exit statuses.
for good in --help --version "learn --help"; do
  "$cmoe" $good >/dev/null || fail "$good: status $?"
done
expect_error 2 "subcommand" --
expect_error 1 "no such" -- inspect nowhere
expect_error 1 "there is no command 'nothing'" -- manual config nothing
"$cmoe" learn --method seqlora --task-steps 100000 --order cipher --test-limit 2 --out long --quiet >/dev/null 2>errors &
learner=$!
for _ in $(seq 200); do [[ -s long/log.jsonl ]] && break; sleep 0.1; done
kill -INT $learner
wait $learner
status=$?
[[ $status -eq 130 && $(cat errors) == *"--resume" ]] || fail "interrupted: status $status, $(cat errors)"

# Colours on a terminal only, and none with NO_COLOR.
if command -v script >/dev/null; then
  escape=$'\033['
  on_terminal() { script -qec "$*" /dev/null </dev/null; }
  [[ $(TERM=xterm on_terminal "$cmoe" inspect nowhere) == *"$escape"* ]] || fail "no colour on a terminal"
  [[ $(TERM=xterm NO_COLOR=1 on_terminal "$cmoe" inspect nowhere) != *"$escape"* ]] || fail "colour in spite of NO_COLOR"
  [[ $("$cmoe" inspect nowhere 2>&1) != *"$escape"* ]] || fail "colour in what is piped"
fi
finish
