// Eigen's arrays and products, of a version that is new enough; its headers' own warnings are not the consumer's.
#pragma once
#pragma GCC system_header

#include <Eigen/Core>

#if !EIGEN_VERSION_AT_LEAST(3, 4, 0)
#error "cmoe needs Eigen 3.4 or newer: install it (Debian, Ubuntu: libeigen3-dev), or put its folder before the older one"
#include "cmoe/core/ends_here.hpp"  // there is no such file: it ends the compilation after the sentence above
#endif
