# The program installed: it runs, with its manual page and its completion.
#   install.sh cmoe BUILD
source "$(dirname "$0")/common.sh" "$@"
cmake --install "$2" --component program --prefix "$scratch/here" >/dev/null || fail "cmake --install"
"$scratch/here/bin/cmoe" --version | grep -q '^cmoe [0-9]' || fail "the installed program does not run"
"$cmoe" manual man | cmp - "$scratch/here/share/man/man1/cmoe.1" || fail "the manual page"
"$cmoe" manual completion | cmp - "$scratch/here/share/bash-completion/completions/cmoe" || fail "the completion"
[[ ! -e $scratch/here/include ]] || fail "the headers came too"
finish
