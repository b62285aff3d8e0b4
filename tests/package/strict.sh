# A consumer with every warning as an error, for whom the headers of cmoe, Eigen and the others are not system headers: units
# that include everything, linked into one program.
#   strict.sh gnu|clang       the newest of these compilers that is here
source "$(dirname "$0")/common.sh"
case $1 in
  gnu) names=(g++-{16..12} g++) least=12 word='g++' ;;
  clang) names=(clang++-{22..16} clang++) least=16 word='clang' ;;
esac
for name in "${names[@]}"; do
  command -v "$name" >/dev/null || continue
  version=$("$name" -dumpversion)
  ((${version%%.*} >= least)) && compiler=$name && break
done
[[ -n ${compiler:-} ]] || skip "strict: no $word $least or newer here"
enter "strict_$1"
unset CMAKE_PREFIX_PATH

cat >CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.25)
project(strict LANGUAGES CXX)
set(CMAKE_CXX_STANDARD 17)  # too low: what links cmoe::cmoe is compiled with what cmoe needs
find_package(cmoe CONFIG REQUIRED COMPONENTS io)
add_executable(strict first.cpp second.cpp)
target_link_libraries(strict PRIVATE cmoe::io)
target_compile_options(strict PRIVATE -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)
set_target_properties(strict PROPERTIES NO_SYSTEM_FROM_IMPORTED ON)
END
(cd "$prefix/include" && find cmoe -name '*.hpp' | sort | sed 's/.*/#include "&"/') >first.cpp
[[ $(wc -l <first.cpp) -gt 100 ]] || fail "hardly any header was installed"
if [[ $1 == gnu ]]; then cp first.cpp second.cpp; else echo '#include <cmoe/cmoe.hpp>' >second.cpp; fi  # linking is tried with one of them
cat >>first.cpp <<'END'
cmoe::Tensor<cmoe::Cpu<double>> twice(const cmoe::Tensor<cmoe::Cpu<double>>& x);
int main() { return twice({{1}, {2.0}}).item() == 4 ? 0 : 1; }
END
echo 'cmoe::Tensor<cmoe::Cpu<double>> twice(const cmoe::Tensor<cmoe::Cpu<double>>& x) { return x * 2; }' >>second.cpp

cmake -B build -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_EXPORT_COMPILE_COMMANDS=ON >log || { cat log; fail "$compiler: configuring"; }
if grep -q isystem build/compile_commands.json; then fail "a folder was given as a system folder"; fi
cmake --build build >log || { cat log; fail "$compiler: building"; }
build/strict || fail "$compiler: the program is wrong"
echo "$compiler $version: all $(grep -c '^#include' first.cpp) headers, no warning"
