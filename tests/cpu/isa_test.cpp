#include <doctest/doctest.h>

#include "cmoe/cpu/isa.hpp"

namespace cmoe::isa_test {

TEST_CASE("the instruction set is the one asked for, else the best") {
  CHECK(cpu::choose_isa("baseline") == cpu::Isa::baseline);
  CHECK(cpu::supported(cpu::choose_isa(nullptr)));
  if (cpu::supported(cpu::Isa::avx2)) CHECK(cpu::choose_isa("avx2") == cpu::Isa::avx2);
}

TEST_CASE("an instruction set nobody knows is refused by name") {
  CHECK_THROWS_WITH_AS(cpu::choose_isa("mmx"), "CMOE_ISA: 'mmx' is none of baseline, avx2, avx512", Error);
  CHECK_THROWS_AS(cpu::choose_isa(""), Error);
}

}  // namespace cmoe::isa_test
