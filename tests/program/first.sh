# The first programs of docs/first-programs.md, with a model and a stream as files.
#   first.sh cmoe generate two_tasks
source "$(dirname "$0")/common.sh" "$@"
generate=$2 two_tasks=$3
cd "$scratch" || exit 1
"$cmoe" export --model builtin --format safetensors --out model --quiet >/dev/null || fail "the built-in model as a folder"
"$cmoe" make-stream --out stream --tasks cipher,reverse >/dev/null || fail "a stream as files"

written=$("$generate" model "COPY: abc") || fail "generate"
[[ $written == "COPY: abc"* ]] || fail "generate printed $written"
"$generate" nowhere "COPY: abc" 2>errors && fail "generate takes a model that is not there"
[[ $(wc -l <errors) -eq 1 && $(cat errors) == *nowhere* ]] || fail "generate says: $(cat errors)"

"$two_tasks" model stream >learnt || fail "two_tasks"
number='-?[0-9]+'
for line in "after 0 tasks: cipher $number, reverse $number" "after 2 tasks: cipher $number, reverse $number" "forgetting: $number\.[0-9]"; do
  grep -qxE "$line" learnt || fail "two_tasks printed no line '$line': $(cat learnt)"
done
finish
