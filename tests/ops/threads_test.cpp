#include <doctest/doctest.h>

#include "cmoe/attention/causal.hpp"
#include "cmoe/attention/stickbreaking.hpp"
#include "cmoe/moe/dispatch.hpp"
#include "cmoe/ops/layout.hpp"
#include "cmoe/ops/loss.hpp"
#include "cmoe/ops/matmul.hpp"
#include "cmoe/ops/norm.hpp"
#include "cmoe/ops/softmax.hpp"
#include "draw.hpp"

namespace cmoe::threads_test {

using B = Cpu<float>;
using T = Tensor<B>;

namespace {

T normal(const Shape& shape, const char* name) {
  Rng rng = Rng(3).fork(name);
  std::vector<float> values(static_cast<std::size_t>(shape.size()));
  for (float& x : values) x = static_cast<float>(rng.normal());
  return T(shape, std::span<const float>(values));
}

// Everything at once on shapes large enough for several threads: values and gradients.
std::vector<std::vector<float>> everything() {
  std::vector<T> leaves = {normal({2, 70, 96}, "x"), normal({96, 96}, "w"), normal({96}, "gain"), normal({4, 96, 80}, "experts"),
                           normal({300, 96}, "table")};
  for (T& x : leaves) x.want_gradient();
  std::vector<Id> ids, labels, chosen;
  Rng rng(5);
  for (int i = 0; i < 140; ++i) ids.push_back(static_cast<Id>(rng.below(300))), labels.push_back(static_cast<Id>(rng.below(80)));
  for (int i = 0; i < 280; ++i) chosen.push_back(static_cast<Id>(rng.below(4)));
  Tape<B> tape;
  const T x = leaves[0] + reshape(gather_rows(leaves[4], Ids<B>({140}, ids)), {2, 70, 96});
  const T h = reshape(layer_norm(matmul(x, leaves[1]), leaves[2], leaves[2]), {2, 70, 4, 24});
  const T a = causal_attention(h, h, h, 0.2), s = stickbreaking_attention(h, h, h, 0.2).out;
  const T rows = reshape(softmax(a) + s * rms_norm(h, normal({24}, "rms")), {140, 96});
  const ExpertOrder<B> order(Ids<B>({140, 2}, chosen), 4);
  const T logits =
      from_experts(grouped_matmul(to_experts(gelu(rows), order), leaves[3], order.offsets), normal({140, 2}, "weights"), order);
  const T loss = cross_entropy(logits, Ids<B>({140}, labels)) + mean(square(logsumexp(logits)));
  tape.backward(loss);
  std::vector<std::vector<float>> results = {logits.values(), loss.values()};
  for (const T& leaf : leaves) results.push_back(leaf.grad().values());
  return results;
}

}  // namespace

TEST_CASE("values and gradients have the same bits for 1 to 8 threads") {
  const int before = pool().threads();
  pool().resize(1);
  const auto expected = everything();
  for (int threads = 2; threads <= 8; ++threads) {
    CAPTURE(threads);
    pool().resize(threads);
    CHECK(everything() == expected);
  }
  pool().resize(before);
}

TEST_CASE("dropout keeps the share it should, scales it, and repeats for the same key") {
  const T x({100000}, 1.f);
  const auto kept = dropout(x, 0.3, 7).values();
  double sum = 0;
  for (float v : kept) {
    sum += static_cast<double>(v);
    if (v != 0) REQUIRE(v == doctest::Approx(1 / 0.7));
  }
  CHECK(sum / 100000 == doctest::Approx(1).epsilon(0.02));
  CHECK(dropout(x, 0.3, 7).values() == kept);
  CHECK(dropout(x, 0.3, 8).values() != kept);
  CHECK(dropout(x, 0, 7).data() == x.data());
}

}  // namespace cmoe::threads_test
