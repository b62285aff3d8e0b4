# docs/extending/softsign.diff, applied to a copy of the library: it fits, and what it adds is right.
#   op.sh SOURCE SCRATCH COMPILER FLAGS...
set -eu
source=$1 scratch=$2
shift 2
command -v git >/dev/null || { echo "skipped: there is no git to apply the diff with"; exit 77; }
rm -rf "$scratch"
mkdir -p "$scratch"
cp -r "$source/include" "$source/cpu" "$scratch"
cd "$scratch"
GIT_CEILING_DIRECTORIES=$(dirname "$PWD")
export GIT_CEILING_DIRECTORIES  # the copy is no part of the repository that it may lie in
git apply --unsafe-paths "$source/docs/extending/softsign.diff"
grep -q softsign include/cmoe/ops/elementwise.hpp || { echo "FAILED: the diff changed nothing"; exit 1; }
"$@" -Iinclude "$source/tests/extending/softsign.cpp" -o softsign
./softsign

# Planted: a wrong derivative must be noticed.
sed -i 's|return 1 / (inner \* inner);|return 1 / inner;|' include/cmoe/core/functors.hpp
"$@" -Iinclude "$source/tests/extending/softsign.cpp" -o wrong
if ./wrong; then echo "FAILED: a wrong derivative was taken"; exit 1; fi
