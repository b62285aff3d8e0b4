#include <doctest/doctest.h>

#include <cstring>
#include <limits>

#include "cmoe/cpu/gemm.hpp"
#include "cpu/matrices.hpp"

namespace cmoe::gemm_test {

using test::numbers;

namespace {

const Form forms[] = {Form::nn, Form::nt, Form::tn};

template <class Real>
std::vector<Real> multiply(Form form, Index m, Index n, Index k, const std::vector<Real>& a, const std::vector<Real>& b) {
  std::vector<Real> c(static_cast<std::size_t>(m * n), Real(-7));
  cpu::gemm<Real>(form, m, n, k, 1, a.data(), form == Form::tn ? m : k, b.data(), form == Form::nt ? k : n, false, c.data(), n);
  return c;
}

template <class Real>
bool same_bits(const std::vector<Real>& a, const std::vector<Real>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(Real)) == 0);
}

}  // namespace

TEST_CASE_TEMPLATE("a product of whole numbers is exact for every form and awkward size", Real, float, double) {
  for (const Form form : forms)
    for (const Index m : {0, 1, 5, 14, 33})
      for (const Index n : {0, 1, 8, 17, 70})
        for (const Index k : {0, 1, 16, 300}) {
          const auto a = numbers<Real>(m * k, 1), b = numbers<Real>(k * n, 2);
          auto c = numbers<Real>(m * n, 3);
          const auto before = c;
          cpu::gemm<Real>(form, m, n, k, 2, a.data(), form == Form::tn ? m : k, b.data(), form == Form::nt ? k : n, true,
                          c.data(), n);
          const auto fresh = multiply(form, m, n, k, a, b);
          bool exact = true;
          for (Index i = 0; i < m; ++i)
            for (Index j = 0; j < n; ++j) {
              const double sum = test::dot(form, m, n, k, a.data(), b.data(), i, j);
              const auto at = static_cast<std::size_t>(i * n + j);
              exact &= static_cast<double>(fresh[at]) == sum;
              exact &= static_cast<double>(c[at]) == 2 * sum + static_cast<double>(before[at]);
            }
          CHECK_MESSAGE(exact, m, " x ", n, " x ", k);
        }
}

TEST_CASE_TEMPLATE("a product's row has the same bits for any number of rows", Real, float, double) {
  const Index n = 45, k = 530, most = 61;
  const auto a = numbers<Real>(most * k, 4, true), b = numbers<Real>(k * n, 5, true);
  const auto all = multiply(Form::nn, most, n, k, a, b);
  const auto all_nt = multiply(Form::nt, most, n, k, a, b);
  for (const Index m : {1, 2, 5, 8, 14, 15, 16, 30, 60}) {
    const auto some = multiply(Form::nn, m, n, k, a, b), some_nt = multiply(Form::nt, m, n, k, a, b);
    CHECK(std::memcmp(some.data(), all.data(), some.size() * sizeof(Real)) == 0);
    CHECK(std::memcmp(some_nt.data(), all_nt.data(), some.size() * sizeof(Real)) == 0);
  }
}

TEST_CASE("a product's column has the same bits for any number of columns") {
  const Index m = 150, k = 300, most = 40;
  const auto a = numbers<float>(m * k, 6, true), b = numbers<float>(k * most, 7, true);
  const auto all = multiply(Form::nt, m, most, k, a, b);
  for (const Index n : {1, 7, 8, 16, 31, 33}) {
    const auto some = multiply(Form::nt, m, n, k, a, b);
    bool same = true;
    for (Index i = 0; i < m; ++i)
      same &= std::memcmp(&some[static_cast<std::size_t>(i * n)], &all[static_cast<std::size_t>(i * most)],
                          static_cast<std::size_t>(n) * sizeof(float)) == 0;
    CHECK(same);
  }
}

TEST_CASE_TEMPLATE("a left operand that is read in place gives the same bits as one that is packed", Real, float, double) {
  const Index k = 300, n = 70, far = 1500;  // rows that lie so far apart are packed
  for (const Form form : {Form::nn, Form::tn})
    for (const Index m : {4, 13, 14, 33, 61}) {
      const Index lines = form == Form::tn ? k : m, length = form == Form::tn ? m : k;
      const auto a = numbers<Real>(lines * length, 8, true), b = numbers<Real>(k * n, 9, true), before = numbers<Real>(m * n, 10, true);
      std::vector<Real> apart(static_cast<std::size_t>(lines * far));
      for (Index i = 0; i < lines; ++i)
        for (Index j = 0; j < length; ++j) apart[static_cast<std::size_t>(i * far + j)] = a[static_cast<std::size_t>(i * length + j)];
      for (const bool accumulate : {false, true}) {
        auto in_place = before, packed = before;
        cpu::gemm<Real>(form, m, n, k, Real(0.5), a.data(), length, b.data(), n, accumulate, in_place.data(), n);
        cpu::gemm<Real>(form, m, n, k, Real(0.5), apart.data(), far, b.data(), n, accumulate, packed.data(), n);
        CHECK(same_bits(in_place, packed));
      }
    }
}

TEST_CASE("the blocks of a product cover it, fit the caches and come in whole rounds") {
  const int threads = pool().threads();
  for (const int wanted : {1, 2, 3, 8}) {
    pool().resize(wanted);
    for (const Index m : {1, 14, 128, 1000, 5000})
      for (const Index n : {1, 32, 260, 3000})
        for (const Index k : {1, 128, 4096}) {
          const cpu::detail::Cut cut = cpu::detail::cut(m, n, k);
          CHECK(cut.rows * cut.blocks_down >= m);
          CHECK(cut.rows * (cut.blocks_down - 1) < m);
          CHECK(cut.columns * cut.blocks_along >= n);
          CHECK(cut.columns * (cut.blocks_along - 1) < n);
          CHECK(cut.rows <= 574);
          CHECK(cut.columns <= 1024);
        }
  }
  pool().resize(2);
  CHECK(cpu::detail::cut(1024, 128, 128).blocks() % 2 == 0);
  CHECK(cpu::detail::cut(1024, 1024, 1024).blocks() % 2 == 0);
  CHECK(cpu::detail::cut(64, 64, 64).blocks() == 1);
  pool().resize(threads);
}

TEST_CASE("a product has the same bits for any number of threads") {
  const Index m = 300, n = 260, k = 270;
  const auto a = numbers<float>(m * k, 8, true), b = numbers<float>(k * n, 9, true);
  const int before = pool().threads();
  pool().resize(1);
  const auto one = multiply(Form::nn, m, n, k, a, b);
  pool().resize(3);
  CHECK(same_bits(multiply(Form::nn, m, n, k, a, b), one));
  pool().resize(before);
}

TEST_CASE("a matrix inside a larger one is multiplied in place and its neighbours are left alone") {
  const Index m = 9, n = 11, k = 6, lda = 10, ldb = 13, ldc = 40;
  const auto a = numbers<float>(m * lda, 10), b = numbers<float>(k * ldb, 11);
  std::vector<float> c(static_cast<std::size_t>(m * ldc), 99.f);
  cpu::gemm<float>(Form::nn, m, n, k, 1, a.data(), lda, b.data(), ldb, false, c.data(), ldc);
  for (Index i = 0; i < m; ++i)
    for (Index j = 0; j < ldc; ++j) {
      float expected = j < n ? 0.f : 99.f;
      for (Index p = 0; p < k && j < n; ++p)
        expected += a[static_cast<std::size_t>(i * lda + p)] * b[static_cast<std::size_t>(p * ldb + j)];
      CHECK(c[static_cast<std::size_t>(i * ldc + j)] == expected);
    }
}

TEST_CASE("NaN and infinity reach the elements they belong to and no others") {
  const Index m = 17, n = 35, k = 20;
  auto a = numbers<float>(m * k, 12);
  const auto b = std::vector<float>(static_cast<std::size_t>(k * n), 1.f);
  a[3 * k + 4] = std::numeric_limits<float>::quiet_NaN();
  a[16 * k + 19] = std::numeric_limits<float>::infinity();
  const auto c = multiply(Form::nn, m, n, k, a, b);
  for (Index i = 0; i < m; ++i)
    for (Index j = 0; j < n; ++j) {
      const float value = c[static_cast<std::size_t>(i * n + j)];
      CHECK(std::isnan(value) == (i == 3));
      CHECK(std::isinf(value) == (i == 16));
    }
}

TEST_CASE("an old value that is NaN is overwritten, not added to") {
  const float a = 2, b = 3;
  float c = std::numeric_limits<float>::quiet_NaN();
  cpu::gemm<float>(Form::nn, 1, 1, 1, 1, &a, 1, &b, 1, false, &c, 1);
  CHECK(c == 6);
}

TEST_CASE("a batch is its products one by one, and a stride of 0 shares a matrix") {
  const Index batch = 5, m = 7, n = 19, k = 12;
  const auto a = numbers<double>(batch * m * k, 13, true), b = numbers<double>(k * n, 14, true);
  for (const Form form : forms) {
    std::vector<double> c(static_cast<std::size_t>(batch * m * n));
    cpu::gemm_batched<double>(form, batch, m, n, k, 1, a.data(), m * k, b.data(), 0, false, c.data(), m * n);
    for (Index i = 0; i < batch; ++i) {
      const std::vector<double> one(a.begin() + i * m * k, a.begin() + (i + 1) * m * k);
      const auto expected = multiply(form, m, n, k, one, b);
      CHECK(std::memcmp(expected.data(), &c[static_cast<std::size_t>(i * m * n)], expected.size() * sizeof(double)) == 0);
    }
  }
}

TEST_CASE("grouped products give each group its own matrix, and empty groups are legal") {
  const Index groups = 4, n = 21, k = 10, offsets[] = {0, 6, 6, 23, 24}, rows = 24;
  const auto a = numbers<float>(rows * k, 15), w = numbers<float>(groups * k * n, 16), dy = numbers<float>(rows * n, 17);
  for (const Form form : {Form::nn, Form::nt}) {
    std::vector<float> c(static_cast<std::size_t>(rows * n), 1.f);
    cpu::gemm_grouped<float>(form, groups, offsets, n, k, 1, a.data(), w.data(), true, c.data());
    for (Index e = 0; e < groups; ++e)
      for (Index i = offsets[e]; i < offsets[e + 1]; ++i)
        for (Index j = 0; j < n; ++j)
          CHECK(static_cast<double>(c[static_cast<std::size_t>(i * n + j)]) ==
                1 + test::dot(form, rows, n, k, a.data(), w.data() + e * k * n, i, j));
  }
  std::vector<float> dw(static_cast<std::size_t>(groups * k * n), 1.f);
  cpu::gemm_grouped<float>(Form::tn, groups, offsets, n, k, 1, a.data(), dy.data(), false, dw.data());
  for (Index e = 0; e < groups; ++e)
    for (Index i = 0; i < k; ++i)
      for (Index j = 0; j < n; ++j)
        CHECK(static_cast<double>(dw[static_cast<std::size_t>((e * k + i) * n + j)]) ==
              test::dot(Form::tn, k, n, offsets[e + 1] - offsets[e], a.data() + offsets[e] * k, dy.data() + offsets[e] * n, i, j));
}

}  // namespace cmoe::gemm_test
