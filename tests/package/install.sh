# Installed in one place and moved to another: nothing in the package may remember where it was built.
source "$(dirname "$0")/common.sh"
enter install
cmake -S "$clone" --preset package -B build >log || { cat log; fail "the preset package does not configure"; }
cmake --install build --prefix "$folder/first" >log
rm -rf "$prefix"
mv first "$prefix"
if grep -rlF -e "$clone" -e "$CMOE_SCRATCH" -e "$CMOE_SOURCE" "$prefix"; then fail "these files name a folder of this machine"; fi
for file in include/cmoe/cmoe.hpp share/cmake/cmoe/cmoe-config.cmake share/pkgconfig/cmoe.pc share/doc/cmoe/LICENSE; do
  [[ -f $prefix/$file ]] || fail "$file was not installed"
done
flags=$(PKG_CONFIG_PATH=$prefix/share/pkgconfig pkg-config --cflags --libs cmoe-io)
[[ $flags == *"-I$prefix/share/pkgconfig/../../include"* && $flags == *-lz* ]] || fail "pkg-config says '$flags' for cmoe-io"
[[ ! -e $prefix/share/doc/libcmoe-dev ]] || fail "what belongs to the Debian package was installed"

# The workflow that makes the packages.
cd "$clone"
cmake --workflow --preset package >"$folder/log" 2>&1 || { cat "$folder/log"; fail "cmake --workflow --preset package"; }
for file in cmoe-*.tar.gz libcmoe-dev_*_all.deb; do
  compgen -G "build/package/$file" >/dev/null || fail "the workflow made no $file"
done
rm -r build
