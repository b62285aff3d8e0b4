// Matrices as they lie in a file: decoded exactly, and multiplied as their numbers would be.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "cmoe/cpu/cpu.hpp"
#include "cmoe/cpu/eigen_stored.hpp"
#include "cmoe/io/gguf_blocks.hpp"

namespace cmoe::stored_test {

using Random = std::mt19937;

namespace {

// Random blocks whose numbers are finite and not huge.
StoredMatrix random_matrix(const BlockType& type, Index rows, Index cols, Random& random) {
  auto bytes = std::make_shared<std::vector<std::byte>>(static_cast<std::size_t>(rows * cols / type.numbers * type.bytes));
  std::vector<float> values(static_cast<std::size_t>(type.numbers));
  for (std::size_t at = 0; at < bytes->size(); at += static_cast<std::size_t>(type.bytes)) {
    bool usable = false;
    while (!usable) {
      for (Index i = 0; i < type.bytes; ++i) (*bytes)[at + static_cast<std::size_t>(i)] = static_cast<std::byte>(random() & 255u);
      type.decode(reinterpret_cast<const std::uint8_t*>(bytes->data() + at), values.data());
      usable = true;
      for (const float x : values) usable = usable && std::abs(x) < 100;
    }
  }
  const Bytes view(*bytes);
  return {type, rows, cols, view, std::move(bytes)};
}

template <class Real>
std::vector<Real> normals(Index n, Random& random) {
  std::normal_distribution<double> draw;
  std::vector<Real> x(static_cast<std::size_t>(n));
  for (Real& v : x) v = static_cast<Real>(draw(random));
  return x;
}

// The largest difference as a share of the largest value.
template <class Real>
double difference(const std::vector<Real>& a, const std::vector<Real>& b) {
  double worst = 0, largest = 1e-30;
  for (std::size_t i = 0; i < a.size(); ++i) {
    worst = std::max(worst, static_cast<double>(std::abs(a[i] - b[i])));
    largest = std::max(largest, static_cast<double>(std::abs(b[i])));
  }
  return worst / largest;
}

template <class Real>
void compare_products(const BlockType& type, Index m, Index rows, Index cols, Random& random) {
  CAPTURE(type.name);
  CAPTURE(m);
  CAPTURE(rows);
  CAPTURE(cols);
  const double tolerance = sizeof(Real) == 4 ? 2e-5 : 1e-12;
  const StoredMatrix w = random_matrix(type, rows, cols, random);
  const auto x = normals<Real>(m * cols, random), dy = normals<Real>(m * rows, random);
  std::vector<Real> y(dy.size(), 7), y_eigen(dy.size(), 7), dx(x.size(), 7), dx_eigen(x.size(), 7);
  cpu::stored_product(w, m, x.data(), y.data());
  cpu::eigen::stored_product(w, m, x.data(), y_eigen.data());
  CHECK(difference(y, y_eigen) < tolerance);
  cpu::stored_product_back(w, m, dy.data(), dx.data());
  cpu::eigen::stored_product_back(w, m, dy.data(), dx_eigen.data());
  CHECK(difference(dx, dx_eigen) < tolerance);
  if (rows == 0) return;
  const std::vector<Id> ids = {static_cast<Id>(rows - 1), 0, static_cast<Id>(rows / 2)};
  std::vector<Real> picked(3 * static_cast<std::size_t>(cols)), picked_eigen(picked.size());
  cpu::gather_stored(w, 3, ids.data(), picked.data());
  cpu::eigen::gather_stored(w, 3, ids.data(), picked_eigen.data());
  CHECK(picked == picked_eigen);
}

}  // namespace

TEST_CASE("every number of 16 bits becomes the float it stands for") {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    std::uint8_t bytes[2];
    std::memcpy(bytes, &half, 2);
    const float ours = cpu::half_at(bytes), wanted = from_half(half);
    if (std::isnan(wanted)) CHECK(std::isnan(ours));
    else if (std::bit_cast<std::uint32_t>(ours) != std::bit_cast<std::uint32_t>(wanted)) FAIL("half " << bits << ": " << ours << " for " << wanted);
  }
}

TEST_CASE("rows decoded on packs have the bits of blocks decoded one by one, for every type") {
  Random random(1);
  for (const BlockType& type : detail::block_types) {
    CAPTURE(type.name);
    const StoredMatrix w = random_matrix(type, 5, 3 * type.numbers, random);
    std::vector<float> ours(static_cast<std::size_t>(3 * w.cols())), wanted(ours.size());
    cpu::decode_rows(w, 1, 4, ours.data());
    for (Index b = 0; b < 9; ++b) type.decode(w.row(1) + b * type.bytes, wanted.data() + b * type.numbers);
    CHECK(std::memcmp(ours.data(), wanted.data(), ours.size() * sizeof(float)) == 0);
  }
}

TEST_CASE("products with a stored matrix are those with its numbers, forward and back, for every type and odd sizes") {
  Random random(2);
  for (const BlockType& type : detail::block_types)
    for (const Index m : {0, 1, 3, 4, 17}) {
      compare_products<float>(type, m, 1 + static_cast<Index>(random() % 90), type.numbers * (1 + static_cast<Index>(random() % 3)), random);
      compare_products<double>(type, m, 1 + static_cast<Index>(random() % 90), type.numbers * (1 + static_cast<Index>(random() % 3)), random);
    }
  compare_products<float>(*block_type(3), 5, 0, 64, random);
  compare_products<float>(*block_type(3), 9, 1100, 1536, random);  // several bands
  compare_products<double>(*block_type(8), 2, 700, 576, random);
  compare_products<float>(*block_type(1), 3, 33, 7, random);  // rows that are no whole pack
}

TEST_CASE("any number of threads gives the same bits of a stored product") {
  Random random(3);
  const StoredMatrix w = random_matrix(*block_type(3), 700, 576, random);
  const int before = pool().threads();
  for (const Index m : {1, 40}) {
    const auto x = normals<float>(m * 576, random), dy = normals<float>(m * 700, random);
    std::vector<float> y(dy.size()), dx(x.size());
    pool().resize(1);
    cpu::stored_product(w, m, x.data(), y.data());
    cpu::stored_product_back(w, m, dy.data(), dx.data());
    for (const int threads : {2, 3}) {
      std::vector<float> other_y(dy.size()), other_dx(x.size());
      pool().resize(threads);
      cpu::stored_product(w, m, x.data(), other_y.data());
      cpu::stored_product_back(w, m, dy.data(), other_dx.data());
      CHECK(y == other_y);
      CHECK(dx == other_dx);
    }
  }
  pool().resize(before);
}

TEST_CASE("a stored matrix of wrong sizes is refused, and rows in another order keep their numbers") {
  Random random(4);
  const BlockType& type = *block_type(2);
  const std::vector<std::byte> bytes(36);
  CHECK_THROWS_WITH_AS(StoredMatrix(type, 2, 30, bytes, nullptr), "stored matrix: rows of 30 numbers are no whole Q4_0 blocks of 32", Error);
  CHECK_THROWS_WITH_AS(StoredMatrix(type, 3, 32, bytes, nullptr), "stored matrix: 36 bytes for (3,32) of Q4_0", Error);
  const StoredMatrix w = random_matrix(type, 3, 64, random), turned = w.reordered([](Index row) { return 2 - row; });
  std::vector<float> a(192), b(192);
  cpu::decode_rows(w, 0, 3, a.data());
  for (Index r = 0; r < 3; ++r) cpu::decode_rows(turned, 2 - r, 3 - r, b.data() + 64 * r);
  CHECK(a == b);
}

}  // namespace cmoe::stored_test
