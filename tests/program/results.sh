# docs/results.md is what scripts/results makes of the summaries in docs/results/, byte for byte: an edit by hand fails here.
source "$(dirname "$0")/common.sh" "$@"
page=$2
docs=$CMOE_SOURCE_DIR/docs
shopt -s nullglob
files=("$docs"/results/*.json)
if [[ ${#files[@]} -eq 0 ]]; then
  [[ ! -e $docs/results.md ]] || { echo "FAILED: docs/results.md exists without summaries in docs/results/"; exit 1; }
  echo "skipped: docs/results/ holds no summaries yet, there is no page to compare"
  exit 77
fi
"$page" "${files[@]}" >"$scratch/results.md" || fail "results_page"
cmp "$scratch/results.md" "$docs/results.md" || fail "docs/results.md is not what scripts/results makes of docs/results/*.json; run it"
finish
