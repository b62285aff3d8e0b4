# One way of using cmoe, tried as a stranger would: the blocks of README.md, as they stand there, in an empty folder.
#   way.sh WAY
source "$(dirname "$0")/common.sh"
way=$1
case $way in
  conan) conan=$("$here/../../scripts/packagers" conan) || skip "conan: $conan" ;;
  vcpkg) [[ -n ${VCPKG_ROOT:-} ]] || skip "vcpkg: VCPKG_ROOT is not set; package_vcpkg_port checks the port without it" ;;
  debian) command -v dpkg-deb >/dev/null || skip "debian: there is no dpkg-deb" ;;
esac
enter "$way"

# Commands that must not touch this machine, or that need this compiler.
mkdir bin
export PATH=$folder/bin:$PATH
printf '#!/bin/sh\nexec %s %s "$@"\n' "$CMOE_LAUNCHER" "$CXX" >bin/g++
cat >bin/sudo <<'END'
#!/bin/sh
[ "$1 $2" = "apt install" ] && exec dpkg-deb -x "$3" "$FOLDER/image"
exit 1
END
chmod +x bin/*
export FOLDER=$folder
case $way in
  conan) export CONAN_HOME=$folder/conan PATH=$(dirname "$conan"):$PATH ;;
  debian) export CMAKE_PREFIX_PATH=$folder/image/usr ;;
  pkg_config) ln -s "$prefix" "$HOME/.local" ;;
esac

lines=0
for file in main.cpp CMakeLists.txt conanfile.txt vcpkg.json; do
  block "$file" "$way" >"$file"
  [[ -s $file ]] || rm "$file"
  [[ ! -e $file || $file == main.cpp ]] || lines=$((lines + $(grep -c . "$file")))
done
block sh "$way" >commands
[[ -s main.cpp && -s commands ]] || fail "README.md has no blocks for $way"
lines=$((lines + $(grep -c . commands)))

begin=$(date +%s%N)
sh -eu commands >log 2>&1 || { cat log; fail "README's commands for $way"; }
seconds=$((($(date +%s%N) - begin) / 1000000))
grep -qE '^[1-9][0-9]* parameters, [1-9][0-9]* more for the first task$' log || { cat log; fail "the program did not say what README's main.cpp says"; }
printf '%s: %d lines beside main.cpp, %d.%d s from an empty folder to a running program\n' "$way" "$lines" $((seconds / 1000)) $((seconds % 1000 / 100))
((lines < 15)) || fail "15 lines or more"
((seconds < 180000)) || fail "3 minutes or more"
if [[ $way == fetched ]]; then  # an installed one is taken first: nothing is fetched then
  cmake -B again -DCMAKE_PREFIX_PATH="$prefix" >log 2>&1 || { cat log; fail "an installed cmoe is not taken"; }
  grep -q "^cmoe_DIR:PATH=$prefix/" again/CMakeCache.txt || fail "another cmoe than the installed one was taken"
fi
if [[ $way == copied || $way == fetched ]]; then
  ctest --test-dir build -N | grep -q "Total Tests: 0" || fail "tests of cmoe leaked into the consumer"
  if grep -E '^CMOE_(BUILD_|IO|INSTALL).*=ON' build/CMakeCache.txt; then fail "the consumer got more than the library"; fi
fi
