// The instruction set, chosen once at run time: kernels are compiled for three vector sizes, whatever flags the includer uses.
#pragma once

#include <cstdlib>
#include <string_view>

#include "cmoe/core/error.hpp"

namespace cmoe::cpu {

enum class Isa { baseline, avx2, avx512 };

inline std::string_view isa_name(Isa isa) {
  return isa == Isa::avx512 ? "avx512" : isa == Isa::avx2 ? "avx2" : "baseline";
}

inline bool supported(Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::avx512)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("fma");
  if (isa == Isa::avx2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
  return isa == Isa::baseline;
}

// The name asked for if there is one, else the best this CPU has.
inline Isa choose_isa(const char* wanted) {
  for (const Isa isa : {Isa::avx512, Isa::avx2, Isa::baseline}) {
    if (wanted == nullptr ? supported(isa) : wanted == isa_name(isa)) {
      check(supported(isa), ErrorKind::config, "CMOE_ISA: this CPU has no ", isa_name(isa));
      return isa;
    }
  }
  fail(ErrorKind::config, "CMOE_ISA: '", wanted, "' is none of baseline, avx2, avx512");
}

// The choice for this process, made at the first call; the environment variable CMOE_ISA overrides the CPU's best.
inline Isa isa() {
  static const Isa chosen = choose_isa(std::getenv("CMOE_ISA"));
  return chosen;
}

namespace detail {

// A kernel is always_inline and carries no target of its own, so it takes on the target of the function it lands in. What it
// calls is flattened into it.
#if defined(__x86_64__)
template <class Kernel, class... Args>
[[gnu::target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma"), gnu::flatten, gnu::noinline]] void run_avx512(Args... args) {
  Kernel::template run<64>(args...);
}
template <class Kernel, class... Args>
[[gnu::target("avx2,fma"), gnu::flatten, gnu::noinline]] void run_avx2(Args... args) {
  Kernel::template run<32>(args...);
}
#endif
template <class Kernel, class... Args>
[[gnu::flatten, gnu::noinline]] void run_baseline(Args... args) {
  Kernel::template run<16>(args...);
}

}  // namespace detail

// Kernel::run<Bytes>(args...) for packs of 64, 32 or 16 bytes, in a function that may use the instructions for them.
// `run` is [[gnu::always_inline]], and so is all that it calls in a hot loop: code left outside would miss those instructions.
template <class Kernel, class... Args>
void dispatch(Args... args) {
#if defined(__x86_64__)
  if (isa() == Isa::avx512) return detail::run_avx512<Kernel, Args...>(args...);
  if (isa() == Isa::avx2) return detail::run_avx2<Kernel, Args...>(args...);
#endif
  detail::run_baseline<Kernel, Args...>(args...);
}

}  // namespace cmoe::cpu
