// The kernels of Cpu<double>, compiled once for all files that link cmoe_kernels.
#include "cmoe/cpu/cpu.hpp"
#include "cmoe/cpu/solve.hpp"
#include "cmoe/regularizer/subspace.hpp"
#include "cmoe_precompiled.hpp"

namespace cmoe::cpu {
CMOE_KERNELS(, double)
template void solve_symmetric<double>(Index, Index, const double*, const double*, double*);
}  // namespace cmoe::cpu

namespace cmoe {
template MatrixD outside(const MatrixD& basis, const MatrixD& second);
template Directions<double> principal_directions(const MatrixD& second);
template MatrixD grown_space(const MatrixD& basis, const MatrixD& second, double threshold);
template MatrixD free_directions(const MatrixD& basis, const MatrixD& second, Index count);
}  // namespace cmoe
