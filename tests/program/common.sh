# What the tests of the program share: a scratch folder, and checks that say what went wrong.
set -u
cmoe=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failures=0

fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

# expect_error STATUS WORDS -- arguments: the program refuses with that status and one line on stderr that begins with `cmoe: `
# and holds the words; stdout stays empty.
expect_error() {
  local status=$1 words=$2
  shift 3
  local out err got
  out=$("$cmoe" "$@" 2>"$scratch/stderr")
  got=$?
  err=$(cat "$scratch/stderr")
  [[ $got -eq $status ]] || fail "$*: exit status $got instead of $status ($err)"
  [[ -z $out ]] || fail "$*: printed on stdout: $out"
  [[ $(wc -l <"$scratch/stderr") -eq 1 && $err == "cmoe: "* ]] || fail "$*: not one line of error: $err"
  [[ $err == *"$words"* ]] || fail "$*: the error does not say '$words': $err"
}

finish() {
  [[ $failures -eq 0 ]] && echo "all as expected"
  exit $((failures > 0))
}
