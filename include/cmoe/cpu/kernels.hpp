// The kernels that Cpu<Real> calls: our own, or Eigen's words for the same if CMOE_EIGEN_ONLY is defined.
#pragma once

#if defined(CMOE_EIGEN_ONLY)

#include "cmoe/cpu/eigen_attention.hpp"
#include "cmoe/cpu/eigen_elementwise.hpp"
#include "cmoe/cpu/eigen_gemm.hpp"
#include "cmoe/cpu/eigen_rows.hpp"
#include "cmoe/cpu/eigen_stored.hpp"

namespace cmoe::cpu {
namespace kernels = ::cmoe::cpu::eigen;
}  // namespace cmoe::cpu

#else

#include "cmoe/cpu/causal.hpp"
#include "cmoe/cpu/elementwise.hpp"
#include "cmoe/cpu/gemm.hpp"
#include "cmoe/cpu/rows.hpp"
#include "cmoe/cpu/stickbreaking.hpp"
#include "cmoe/cpu/stored.hpp"
#include "cmoe/cpu/update.hpp"

namespace cmoe::cpu {
namespace kernels = ::cmoe::cpu;
}  // namespace cmoe::cpu

#endif
