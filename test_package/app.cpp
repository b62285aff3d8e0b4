// The smallest use of the package: one product of matrices.
#include <cmoe/cpu/cpu.hpp>
#include <cmoe/ops/matmul.hpp>
#include <cmoe/version.hpp>
#include <iostream>

int main() {
  using B = cmoe::Cpu<float>;
  const cmoe::Tensor<B> x({2, 2}, {1, 2, 3, 4});  // (2,2)
  const bool right = cmoe::matmul(x, x).values() == std::vector<float>{7, 10, 15, 22};
  std::cout << "cmoe " << cmoe::version << ": " << (right ? "works" : "WRONG") << '\n';
  return right ? 0 : 1;
}
