// What the compiler must be: said in one sentence, before it meets anything that it cannot read.
#pragma once

#if __cplusplus < 202002L
#error "cmoe needs C++20: compile with -std=c++20, or link the CMake target cmoe::cmoe, which asks for it"
#include "cmoe/core/ends_here.hpp"  // there is no such file: it ends the compilation after the sentence above
#elif defined(__clang__) && !defined(__apple_build_version__)
#if __clang_major__ < 16
#error "cmoe needs clang 16 or newer: choose it with CXX=clang++-16, or g++ 12 or newer"
#include "cmoe/core/ends_here.hpp"
#endif
#elif defined(__GNUC__) && !defined(__clang__)
#if __GNUC__ < 12
#error "cmoe needs g++ 12 or newer: choose it with CXX=g++-12, or clang 16 or newer"
#include "cmoe/core/ends_here.hpp"
#endif
#endif
