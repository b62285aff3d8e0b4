# The documentation site builds without a warning, and its builder notices what it should.
#   site.sh SOURCE SCRATCH
set -eu
source=$1 scratch=$2
for tool in mkdocs doxygen python3; do
  command -v "$tool" >/dev/null || { echo "skipped: $tool is not installed"; exit 77; }
done
fail() {
  echo "FAILED: $*"
  exit 1
}
rm -rf "$scratch"
mkdir -p "$scratch"
"$source/scripts/site" "$scratch/site" >"$scratch/log" 2>&1 || { cat "$scratch/log"; fail "the site"; }
[[ ! -s $scratch/log ]] || { cat "$scratch/log"; fail "the site was built with words"; }
for page in index tour program papers/pmoe extending/expert errors api/files api/classcmoe_1_1Tensor; do
  [[ -s $scratch/site/$page.html ]] || fail "there is no page $page"
done
grep -q "Stick-breaking attention" "$scratch/site/api/stick_8hpp.html" || fail "the reference does not show what a header says"
grep -q "Walks from the newest key" "$scratch"/site/api/namespacecmoe.html || fail "the reference does not show what a function says"
grep -rq '<script' "$scratch"/site/*.html "$scratch"/site/papers "$scratch"/site/extending && fail "a page has a script"

# Planted: a link to a page that is not there, and a comment that Doxygen cannot follow.
mkdir "$scratch/planted"
(cd "$source" && tar cf - --exclude-vcs --exclude=./build --exclude=./out --exclude=./.cache .) | tar xf - -C "$scratch/planted"
cd "$scratch/planted"
echo "[nowhere](nowhere.md)" >>docs/tour.md
if scripts/site "$scratch/bad" >"$scratch/log" 2>&1; then fail "a link to nowhere was taken"; fi
grep -q nowhere "$scratch/log" || fail "the link is not named: $(cat "$scratch/log")"
cp "$source/docs/tour.md" docs/tour.md
printf '/** @ref nothing_of_this_name */\nint planted;\n' >>include/cmoe/version.hpp
if scripts/site "$scratch/bad" >"$scratch/log" 2>&1; then fail "a broken reference was taken"; fi
grep -q nothing_of_this_name "$scratch/log" || fail "the reference is not named: $(cat "$scratch/log")"
