# The same bits for any number of threads, and for a run that was stopped and resumed.
source "$(dirname "$0")/common.sh" "$@"
cd "$scratch" || exit 1

hash_of() { grep -o '"parameters_hash": "[0-9a-f]*"' "$1/run.json"; }
for method in seqft pmoe replay multitask moduleformer ewc l2p; do
  options=(learn --method $method --order reverse,cipher --task-steps 8 --test-limit 4 --quiet --save-every 3 --log-every 2)
  "$cmoe" "${options[@]}" --out $method-1 --threads 1 >/dev/null || fail "$method: one thread"
  "$cmoe" "${options[@]}" --out $method-2 --threads 2 >/dev/null || fail "$method: two threads"
  "$cmoe" "${options[@]}" --out $method-3 >/dev/null &
  sleep 0.4
  kill -INT $! 2>/dev/null
  wait $!
  status=$?
  [[ $status -eq 130 || $status -eq 0 ]] || fail "$method: status $status after an interrupt"
  if [[ $status -eq 130 ]]; then "$cmoe" "${options[@]}" --out $method-3 --resume >/dev/null || fail "$method: resuming"; fi
  [[ $(hash_of $method-1) == "$(hash_of $method-2)" ]] || fail "$method: the number of threads changes the result"
  [[ $(hash_of $method-1) == "$(hash_of $method-3)" ]] || fail "$method: a resumed run (status $status) differs"
  cmp -s $method-1/scores.csv $method-3/scores.csv || fail "$method: the scores of a resumed run differ"
done
finish
