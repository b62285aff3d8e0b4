# What cannot work is refused while configuring or at the first include, with one sentence that says what to do.
#   refused.sh CASE
source "$(dirname "$0")/common.sh"
case_name=$1
case $case_name in
  old_cmake*) old=$("$here/../../scripts/packagers" old-cmake) || skip "CMake 3.24: $old" ;;
esac
enter "refused_$case_name"

# refuses SENTENCE -- command: the command fails and says the sentence, however its lines are broken.
refuses() {
  local sentence=$1
  shift 2
  if "$@" >log 2>&1; then fail "$*: is not refused"; fi
  tr -s ' \n' ' ' <log | grep -qF -- "$sentence" || { cat log; fail "$*: does not say '$sentence'"; }
}
# project ARGUMENTS: a consumer with find_package(cmoe ARGUMENTS).
project() {
  printf 'cmake_minimum_required(VERSION 3.20)\nproject(app LANGUAGES CXX)\nfind_package(cmoe %s)\n' "$*" >CMakeLists.txt
}
# A package that CMake finds in fake/, of this name and version.
fake() {
  mkdir -p "fake/share/cmake/$1"
  echo "set(PACKAGE_VERSION $2)" >"fake/share/cmake/$1/$1ConfigVersion.cmake"
  echo >"fake/share/cmake/$1/$1Config.cmake"
}
consumer=(cmake -B build "-DCMAKE_PREFIX_PATH=$prefix")
ourselves=(cmake -S "$clone" -B build -DCMOE_BUILD_PROGRAM=OFF -DCMOE_BUILD_TESTS=OFF -DCMOE_BUILD_BENCH=OFF -DCMOE_IO=OFF)
include=(-std=c++20 -fsyntax-only "-I$prefix/include")

case $case_name in
  missing_dependency)
    project CONFIG REQUIRED
    refuses "cmoe needs Eigen3, which was not found: install it (Debian, Ubuntu: libeigen3-dev)" -- "${consumer[@]}" -DCMAKE_DISABLE_FIND_PACKAGE_Eigen3=ON
    rm -r build
    refuses "cmoe needs xtl, which was not found: install it (Debian, Ubuntu: xtl-dev)" -- "${consumer[@]}" -DCMAKE_DISABLE_FIND_PACKAGE_xtl=ON
    rm -r build
    project CONFIG REQUIRED COMPONENTS io
    refuses "the component io of cmoe needs nlohmann_json and ZLIB: install both" -- "${consumer[@]}" -DCMAKE_DISABLE_FIND_PACKAGE_nlohmann_json=ON
    rm -r build
    refuses "cmoe needs Eigen3, which was not found" -- "${ourselves[@]}" -DCMAKE_DISABLE_FIND_PACKAGE_Eigen3=ON
    rm -r build
    refuses "cmoe::io (CMOE_IO) needs nlohmann_json, which was not found" -- "${ourselves[@]}" -DCMOE_IO=ON -DCMAKE_DISABLE_FIND_PACKAGE_nlohmann_json=ON
    rm -r build
    refuses "the program (CMOE_BUILD_PROGRAM) needs CLI11" -- "${ourselves[@]}" -DCMOE_IO=ON -DCMOE_BUILD_PROGRAM=ON -DCMAKE_DISABLE_FIND_PACKAGE_CLI11=ON
    rm -r build
    refuses "set CMOE_IO=ON, or CMOE_BUILD_PROGRAM=OFF" -- "${ourselves[@]}" -DCMOE_BUILD_PROGRAM=ON
    refuses "Package 'eigen3', required by 'cmoe', not found" -- env PKG_CONFIG_LIBDIR="$prefix/share/pkgconfig" pkg-config --cflags cmoe
    ;;
  no_cuda)
    [[ ! -e /usr/bin/nvcc ]] || skip "no_cuda: nvcc is where the system's programs are"
    project CONFIG REQUIRED COMPONENTS cuda
    refuses "the component cuda of cmoe needs the CUDA toolkit 12.4 or newer: there is no nvcc that works in PATH" -- \
      env -u CUDACXX -u CUDA_PATH PATH=/usr/bin:/bin "${consumer[@]}" -Dcmoe_nvcc=OFF
    ;;
  eigen_3.3)
    fake Eigen3 3.3.9
    project CONFIG REQUIRED
    refuses "cmoe needs Eigen 3.4 or newer, found 3.3.9 in $folder/fake/share/cmake/Eigen3: install a newer one" -- "${consumer[@]};$folder/fake" -DEigen3_ROOT="$folder/fake"
    rm -r build
    refuses "cmoe needs Eigen 3.4 or newer, found 3.3.9" -- "${ourselves[@]}" -DEigen3_ROOT="$folder/fake"
    mkdir -p old/Eigen
    echo '#define EIGEN_VERSION_AT_LEAST(x, y, z) (3 > x || (3 == x && 3 >= y))' >old/Eigen/Core
    echo '#include <cmoe/cmoe.hpp>' >main.cpp
    refuses "cmoe needs Eigen 3.4 or newer: install it" -- "$CXX" "${include[@]}" -Iold main.cpp
    [[ $(grep -c 'error' log) -le 3 ]] || { cat log; fail "more than the sentence"; }
    ;;
  cxx17)
    for header in cmoe.hpp core/error.hpp models/pmoe.hpp io/safetensors.hpp continual/porter_stemmer.hpp; do
      echo "#include <cmoe/$header>" >main.cpp
      refuses "cmoe needs C++20: compile with -std=c++20" -- "$CXX" -std=c++17 -fsyntax-only "-I$prefix/include" main.cpp
      [[ $(grep -c 'error:' log) -eq 2 ]] || { cat log; fail "$header: more than the sentence and the end"; }
    done
    ;;
  old_compiler)
    printf '#!/bin/sh\nexec g++ -U__GNUC__ -D__GNUC__=11 -Wno-builtin-macro-redefined "$@"\n' >g++-11
    chmod +x g++-11
    "$folder/g++-11" --version >/dev/null 2>&1 || skip "old_compiler: no g++ to pass as an old one"
    unset CMAKE_CXX_COMPILER_LAUNCHER
    refuses "cmoe needs g++ 12 or clang 16 or newer, this is GNU 11." -- "${ourselves[@]}" -DCMAKE_CXX_COMPILER="$folder/g++-11"
    echo '#include <cmoe/cmoe.hpp>' >main.cpp
    refuses "cmoe needs g++ 12 or newer: choose it with CXX=g++-12" -- ./g++-11 "${include[@]}" main.cpp
    [[ $(grep -c 'error:' log) -eq 2 ]] || { cat log; fail "more than the sentence and the end"; }
    ;;
  old_cmake_source) refuses "CMake 3.25 or higher is required. You are running version 3.24" -- "$old" -S "$clone" -B build ;;
  old_cmake_package)
    project CONFIG REQUIRED
    refuses "cmoe needs CMake 3.25 or newer, this is 3.24.3: install a newer one" -- "$old" -B build "-DCMAKE_PREFIX_PATH=$prefix"
    ;;
  unknown_component)
    project CONFIG REQUIRED COMPONENTS gpu
    refuses "cmoe has no component 'gpu': ask for one of these: " -- "${consumer[@]}"
    rm -r build
    project CONFIG REQUIRED OPTIONAL_COMPONENTS gpu
    "${consumer[@]}" >log 2>&1 || { cat log; fail "an unknown component was only wished for, and refused"; }
    ;;
  wrong_version)  # before 1.0 a minor version may change everything
    project 0.2 CONFIG REQUIRED
    refuses 'compatible with requested version "0.2"' -- "${consumer[@]}"
    ;;
  *) fail "there is no case $case_name" ;;
esac
echo "refused as it should be: $case_name"
