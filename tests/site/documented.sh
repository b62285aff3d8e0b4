# Everything that the headers offer has a word on it, and the script that says so sees what has none.
#   documented.sh SOURCE SCRATCH
set -euo pipefail
command -v python3 >/dev/null || { echo "skipped: there is no python3"; exit 77; }
"$1/scripts/undocumented"
mkdir -p "$2"
cat >"$2/planted.hpp" <<'END'
// A header with one declaration of each kind.
#pragma once
namespace cmoe {

// Said.
struct One {
  int within = 0;
  void not_looked_at() { int x = 0; }
};

struct Two {};

int three();  // said behind
template <class B>
  requires true
int four(B b = {}) {
  return b;
}

// A run: both are of one kind.
int five();
int six();

namespace detail {
int seven();
}
enum class Eight { a, b };
template <class T> concept Nine = true;

}  // namespace cmoe
END
found=$("$1/scripts/undocumented" "$2/planted.hpp" | sed 's/.*: //') && { echo "FAILED: nothing was found"; exit 1; }
wanted=$'struct Two {};\nrequires true\nenum class Eight { a, b };\ntemplate <class T> concept Nine = true;'
[[ $found == "$wanted" ]] || { printf 'FAILED: found\n%s\n' "$found"; exit 1; }
