#include <doctest/doctest.h>

#include "cmoe/autograd/gradcheck.hpp"
#include "cmoe/regularizer/orthogonal.hpp"
#include "ops/draw.hpp"

namespace cmoe::orthogonal_test {

using draw::B, draw::Draw, draw::T;

TEST_CASE("the overlap of worked columns, in both norms") {
  const T old({2, 1}, {1, 2}), fresh({2, 2}, {3, -1, -1, 0});  // inner products 3 - 2 = 1 and -1
  CHECK(column_products(old, fresh).values() == std::vector<double>{1, -1});
  CHECK(overlap(old, fresh, OverlapNorm::entrywise).item() == 2);
  CHECK(overlap(old, fresh, OverlapNorm::frobenius).item() == 2);
  CHECK(overlap(old, T({2, 1}, {4, 0}), OverlapNorm::entrywise).item() == 4);
  CHECK(overlap(old, T({2, 1}, {4, 0}), OverlapNorm::frobenius).item() == 16);
}

TEST_CASE("orthogonal columns have no overlap") {
  const T old({3, 2}, {1, 0, 0, 1, 0, 0}), fresh({3, 1}, {0, 0, 5});
  for (const OverlapNorm norm : {OverlapNorm::entrywise, OverlapNorm::frobenius}) CHECK(overlap(old, fresh, norm).item() == 0);
}

TEST_CASE("the overlap's derivatives agree with differences") {
  Draw d{Rng(4)};
  const T old = d.tensor({5, 3});
  for (const OverlapNorm norm : {OverlapNorm::entrywise, OverlapNorm::frobenius})
    CHECK(gradcheck([&](const auto& x) { return overlap(old, x[0], norm); }, std::vector{d.tensor({5, 2})}).worst < 1e-6);
  CHECK(gradcheck([&](const auto& x) { return orthonormality(x[0]); }, std::vector{d.tensor({3, 4})}).worst < 1e-6);
}

TEST_CASE("no gradient flows to the old columns when they are detached") {
  Draw d{Rng(5)};
  T old = d.tensor({4, 2}), fresh = d.tensor({4, 2});
  old.want_gradient();
  fresh.want_gradient();
  Tape<B> tape;
  tape.backward(overlap(old.detach(), fresh, OverlapNorm::entrywise));
  CHECK_FALSE(static_cast<bool>(old.grad()));
  CHECK(static_cast<bool>(fresh.grad()));
}

TEST_CASE("the overlap of all pairs is the sum of the pairs") {
  Draw d{Rng(6)};
  const std::vector<T> modules = {d.tensor({4, 2}), d.tensor({4, 3}), d.tensor({4, 1})};
  for (const OverlapNorm norm : {OverlapNorm::entrywise, OverlapNorm::frobenius}) {
    double pairs = 0;
    for (std::size_t f = 1; f < 3; ++f)
      for (std::size_t e = 0; e < f; ++e) pairs += overlap(modules[e], modules[f], norm).item();
    CHECK(pairwise_overlap(modules, norm).item() == doctest::Approx(pairs));
  }
  CHECK_FALSE(static_cast<bool>(pairwise_overlap<B>({modules[0]}, OverlapNorm::frobenius)));
}

TEST_CASE("orthonormal rows have no penalty, equal ones have the mean of their off-diagonal products") {
  CHECK(orthonormality(T({2, 2}, {0.6, 0.8, -0.8, 0.6})).item() < 1e-15);
  CHECK(orthonormality(T({2, 2}, {1, 0, 1, 0})).item() == doctest::Approx(0.5));
}

TEST_CASE("columns of other lengths are refused") {
  CHECK_THROWS_WITH_AS(overlap(T({3, 1}), T({2, 1}), OverlapNorm::frobenius), "column products: (3,1)ᵀ · (2,1)", Error);
}

}  // namespace cmoe::orthogonal_test
