# What the tests of the packages share: the places, and the environment of a stranger who has this compiler and nothing of ours.
#   CMOE_SOURCE  the source tree          CMOE_SCRATCH  where tests of packages work, below the build folder
#   CMOE_CXX, CMOE_LAUNCHER               the compiler, and ccache if it is used
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
clone=$CMOE_SCRATCH/clone    # made by clone.sh: the source tree without what was built in it
prefix=$CMOE_SCRATCH/prefix  # made by install.sh

command -v ccache >/dev/null && CCACHE_DIR=$(ccache --get-config cache_dir) && export CCACHE_DIR
export CXX=$CMOE_CXX CMAKE_GENERATOR=Ninja CMAKE_CXX_COMPILER_LAUNCHER=$CMOE_LAUNCHER CMOE=$clone
export CMAKE_FIND_USE_PACKAGE_REGISTRY=OFF

skip() {
  echo "skipped: $*"
  exit 77
}
fail() {
  echo "FAILED: $*"
  exit 1
}
# enter NAME: into an empty folder, which is also the home of whoever works there.
enter() {
  folder=$CMOE_SCRATCH/$1
  rm -rf "$folder"
  mkdir -p "$folder/home"
  export HOME=$folder/home
  cd "$folder"
}
# block KIND WAY: the block of README.md behind the line "<!-- KIND: ... WAY ... -->".
block() {
  awk -v kind="$1" -v way="$2" '
    $1 == "<!--" && $2 == kind ":" { for (i = 3; i < NF; ++i) if ($i == way) wanted = 1; next }
    wanted && /^```/ { if (inside) exit; inside = 1; next }
    inside' "$CMOE_SOURCE/README.md"
}
