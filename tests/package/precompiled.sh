# cmoe::precompiled from the installed package: two files of one program take the architectures from one library.
source "$(dirname "$0")/common.sh"
enter precompiled
cat >CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.25)
project(app LANGUAGES CXX)
find_package(cmoe CONFIG REQUIRED COMPONENTS precompiled)
add_executable(app main.cpp second.cpp)
target_link_libraries(app PRIVATE cmoe::precompiled)
END
block main.cpp installed >main.cpp
cat >second.cpp <<'END'
#include <cmoe/models/pmoe.hpp>
cmoe::Scores<cmoe::Cpu<float>> scores(const cmoe::PMoE::On<cmoe::Cpu<float>>& model, const cmoe::Ids<cmoe::Cpu<float>>& ids) { return model(ids, {}); }
END
cmake -B build -DCMAKE_PREFIX_PATH="$prefix" >log && cmake --build build >log || { cat log; fail "the program"; }
build/app | grep -q "more for the first task" || fail "the program is wrong"

# Nothing that the library holds may be compiled again: the objects ask for it.
symbols=$(nm -C "$(find build -name 'second.cpp.o')")
if grep -E ' [TW] cmoe::.*Adapted.*On<cmoe::Cpu<float> ?>::(shallow_state|finish|gates)\(' <<<"$symbols"; then fail "the model was compiled again"; fi
grep -qE ' U cmoe::.*Adapted.*On<cmoe::Cpu<float> ?>::' <<<"$symbols" || fail "the object asks for nothing of the model"
