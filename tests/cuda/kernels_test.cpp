// Every kernel that must be there was compiled for every architecture, within its registers and without spills.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "cmoe/cuda/primitives.hpp"
#include "cuda/kernel_log.hpp"
#include "shared_data.hpp"

namespace cmoe::cuda_kernels_test {

namespace {

kernels::Kernels compiled() {
  kernels::Kernels all;
  for (const auto& entry : std::filesystem::directory_iterator(CMOE_KERNEL_LOGS)) {
    std::ifstream log(entry.path());
    kernels::read_log(log, all);
  }
  return all;
}

// How many kernels there are for bodies of that name.
long count_of(const kernels::Kernels& all, const std::string& body) {
  return std::count_if(all.begin(), all.end(), [&](const auto& one) { return one.first.starts_with("run_each<" + body + "<"); });
}

}  // namespace

TEST_CASE("the kernels of the list and no others are compiled, within their registers and without spills") {
  const kernels::Kernels all = compiled();
  std::ofstream(std::filesystem::path(CMOE_KERNEL_LOGS) / ".." / "kernels.txt") << kernels::list_of(all);  // to be taken over when it is meant
  std::ifstream list(std::filesystem::path(CMOE_SOURCE_DIR) / "tests/cuda/kernels.txt");
  std::vector<std::string> architectures;
  std::istringstream names(CMOE_KERNEL_ARCHITECTURES);
  for (std::string name; names >> name;) architectures.push_back(name);
  CHECK(architectures.size() >= 2);
  CHECK(kernels::faults(all, kernels::read_budget(list), architectures) == "");
}

TEST_CASE("every formula of the lists has its kernels, for both scalars") {
  const kernels::Kernels all = compiled();
  constexpr auto unary = static_cast<long>(xtl::mpl::size<cmoe::fn::Unary>::value), binary = static_cast<long>(xtl::mpl::size<cmoe::fn::Binary>::value),
                 pairwise = static_cast<long>(xtl::mpl::size<cmoe::cuda::Pairwise>::value);
  CHECK(count_of(all, "MapBody") == 2 * unary);
  CHECK(count_of(all, "MapBackBody") == 2 * unary);
  CHECK(count_of(all, "ZipBody") == 2 * pairwise);
  CHECK(count_of(all, "ZipBroadcastBody") == 2 * pairwise);
  CHECK(count_of(all, "ZipBackBody") == 2 * binary);
}

TEST_CASE("a kernel that is missing, one too many, too many registers and spills are noticed") {
  std::istringstream log(
      "ptxas info    : Compiling entry function '_ZN4cmoe4cuda8run_eachINS0_7MapBodyINS_2fn3ExpEfEEEEvlT_' for 'sm_80'\n"
      "ptxas info    : Function properties for _ZN4cmoe4cuda8run_eachINS0_7MapBodyINS_2fn3ExpEfEEEEvlT_\n"
      "    0 bytes stack frame, 8 bytes spill stores, 4 bytes spill loads\n"
      "ptxas info    : Used 40 registers, used 0 barriers, 376 bytes cmem[0]\n");
  kernels::Kernels all;
  kernels::read_log(log, all);
  REQUIRE(all.size() == 1);
  const std::string name = all.begin()->first;
  CHECK(name == "run_each<MapBody<fn::Exp,float>>");
  const std::vector<std::string> one = {"sm_80"}, two = {"sm_80", "sm_90"};
  CHECK(kernels::faults(all, {{name, 40}}, one) == name + " spills 12 bytes on sm_80\n");
  all[name][0].spilled = 0;
  CHECK(kernels::faults(all, {{name, 40}}, one) == "");
  CHECK(kernels::faults(all, {{name, 40}}, two) == name + " is missing for sm_90\n");
  CHECK(kernels::faults(all, {{name, 32}}, one) == name + " uses 40 registers on sm_80, 32 are allowed\n");
  CHECK(kernels::faults(all, {{name, 40}, {"gone", 8}}, one) == "gone is missing for sm_80\n");
  CHECK(kernels::faults(all, {}, one) == name + " is not in the list\n");
  CHECK(kernels::faults({}, {{name, 40}}, one) == name + " is missing for sm_80\n");
}

}  // namespace cmoe::cuda_kernels_test
