# libcmoe-dev as lintian sees it, and whether what it depends on is what building here takes.
source "$(dirname "$0")/common.sh"
command -v lintian >/dev/null || skip "lintian is not installed"
command -v dpkg-deb >/dev/null || skip "there is no dpkg-deb"
enter debian_package
cmake -S "$clone" --preset package -B build >log
cpack --config build/CPackConfig.cmake -G DEB >log
package=$(echo libcmoe-dev_*_all.deb)
found=$(lintian --allow-root --fail-on error,warning "$package") || fail "lintian: $found"
[[ $(dpkg-deb -f "$package" Depends) == "libeigen3-dev (>= 3.4), xtl-dev (>= 0.7.2)" ]] || fail "the dependencies are $(dpkg-deb -f "$package" Depends)"
dpkg-deb -x "$package" root
grep -q "THE SOFTWARE IS PROVIDED" root/usr/share/doc/libcmoe-dev/copyright || fail "no licence in the copyright file"

# The same package with a planted fault: lintian must be able to say no.
dpkg-deb -R "$package" planted
rm planted/usr/share/doc/libcmoe-dev/copyright
dpkg-deb --root-owner-group -b planted planted.deb >log
if lintian --allow-root --fail-on error,warning planted.deb >log; then fail "lintian takes a package without copyright"; fi
