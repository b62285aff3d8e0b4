# A copy of the source tree without what was built in it: what a stranger has after git clone.
source "$(dirname "$0")/common.sh"
rm -rf "$clone"
mkdir -p "$clone"
cd "$CMOE_SOURCE"
tar cf - --exclude-vcs --exclude=./build --exclude=./out --exclude=./.cache . | tar xf - -C "$clone"
