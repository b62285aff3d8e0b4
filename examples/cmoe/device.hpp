// Where the program computes. It is built for one backend, cmoe for the CPU and cmoe-cuda for the GPU; --device goes from one to the other.
#pragma once

#include <string>

#if defined(CMOE_PROGRAM_CUDA)
#include "cmoe/cuda/cuda.hpp"
#else
#include "cmoe/cpu/cpu.hpp"
#endif

namespace program {

#if defined(CMOE_PROGRAM_CUDA)
using Backend = cmoe::Cuda<float>;
#else
using Backend = cmoe::Cpu<float>;
#endif

// Returns if this program is the one for `device` (cpu, cuda or auto), else goes on in the other one, with the same arguments.
// throws cmoe::Error if the GPU is asked for and there is none, or no program for it
void compute_on(const std::string& device, char** arguments);

// What computes here: the instruction set of the CPU's kernels, or the GPU.
std::string device_name();

}  // namespace program
