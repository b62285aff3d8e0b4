// Whether there is a device, and what becomes of a test where there is none.
#pragma once

#include <cstdlib>
#include <string>

#include "cmoe/cuda/cuda.hpp"
#include "shared_data.hpp"

// If not, the running test is noted as skipped, with the reason.
inline bool device_is_there() {
  if (cmoe::cuda::Gpu::available()) return true;
  skipped_tests().push_back(std::string(doctest::getContextOptions()->currentTest->m_name) + " (" + cmoe::cuda::Gpu::description() + ")");
  return false;
}

// How many shapes of each primitive are compared: CMOE_SHAPES, or so many.
inline int shapes(int otherwise) {
  const char* const wanted = std::getenv("CMOE_SHAPES");
  return wanted ? std::atoi(wanted) : otherwise;
}
