#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "cmoe/cpu/cpu.hpp"
#include "cmoe/train/batch.hpp"

namespace cmoe::batch_test {

using B = Cpu<float>;
using Values = std::vector<Id>;

TEST_CASE("a batch trains on the answers alone, and marks prompts and padding") {
  const std::vector<Sequence> sequences = {{{5, 6, 7, 8, 9}, 2}, {{1, 2, 3}, 1}, {{4, 5, 6, 7}, 3}};
  const Batch<B> batch = make_batch<B>(sequences, 0, 3, 99);
  CHECK(batch.ids.shape() == Shape{3, 4});
  CHECK(batch.ids.values() == Values{5, 6, 7, 8, 1, 2, 99, 99, 4, 5, 6, 99});
  CHECK(batch.scored.values() == Values{1, 2, 3, 4, 5, 10});
  CHECK(batch.labels.values() == Values{7, 8, 9, 2, 3, 7});
  CHECK(batch.prompt_first.values() == Values{0, 0, 0});
  CHECK(batch.prompt_last.values() == Values{2, 1, 3});
  CHECK(batch.last.values() == Values{4, 2, 3});
}

TEST_CASE("the flow of a batch carries its ranges and no gates") {
  const std::vector<Sequence> one = {{{5, 6, 7}, 1}};
  const Flow<B> flow = make_batch<B>(one, 0, 1).flow();
  CHECK(flow.prompt_last.values() == Values{1});
  CHECK(flow.last.values() == Values{2});
  CHECK_FALSE(static_cast<bool>(flow.gates));
  CHECK_FALSE(flow.training);
}

TEST_CASE("a range of sequences beyond the end is cut, and the ids of a prompt are never labels") {
  const std::vector<Sequence> sequences = {{{1, 2}, 1}, {{3, 4, 5, 6}, 2}};
  const Batch<B> batch = make_batch<B>(sequences, 1, 10);
  CHECK(batch.ids.values() == Values{3, 4, 5});
  CHECK(batch.scored.values() == Values{1, 2});
  CHECK(batch.labels.values() == Values{5, 6});
}

TEST_CASE("sequences without prompt or answer, and empty batches, are refused") {
  const auto batch = [](std::vector<Sequence> sequences) { return make_batch<B>(sequences, 0, sequences.size()); };
  CHECK_THROWS_WITH_AS(batch({}), "batch: no sequences", Error);
  CHECK_THROWS_WITH_AS(batch({{{1, 2, 3}, 0}}), "batch: a prompt of 0 ids in a sequence of 3", Error);
  CHECK_THROWS_AS(batch({{{1, 2, 3}, 3}}), Error);
  CHECK_THROWS_AS(batch({{{}, 0}}), Error);
}

TEST_CASE("each epoch is a permutation, and epochs differ") {
  Shuffled order(20, Rng(3));
  std::vector<std::vector<std::size_t>> epochs;
  for (Index epoch = 0; epoch < 5; ++epoch) {
    std::vector<std::size_t> seen;
    for (Index i = 0; i < 20; ++i) seen.push_back(order(epoch * 20 + i));
    epochs.push_back(seen);
    CHECK(std::set<std::size_t>(seen.begin(), seen.end()).size() == 20);
    CHECK(*std::max_element(seen.begin(), seen.end()) == 19);
  }
  std::sort(epochs.begin(), epochs.end());
  CHECK(std::adjacent_find(epochs.begin(), epochs.end()) == epochs.end());
}

TEST_CASE("the order is a function of the position, wherever one begins") {
  Shuffled walked(7, Rng(4));
  std::vector<std::size_t> all;
  for (Index i = 0; i < 40; ++i) all.push_back(walked(i));
  for (Index i = 39; i >= 0; i -= 3) {
    Shuffled jumped(7, Rng(4));
    CHECK(jumped(i) == all[static_cast<std::size_t>(i)]);
    CHECK(walked(i) == all[static_cast<std::size_t>(i)]);
  }
  CHECK_THROWS_AS(Shuffled(0, Rng(1)), Error);
}

TEST_CASE("batches by length have little padding, lose no item, and depend on the position alone") {
  std::vector<Sequence> items;
  Rng draw(5);
  for (int i = 0; i < 203; ++i) items.push_back({std::vector<Id>(static_cast<std::size_t>(2 + draw.below(60)), 1), 1});
  const auto padding = [&](Shuffled order) {  // of the whole batches of an epoch
    std::size_t padded = 0, total = 0;
    for (Index batch = 0; batch < 50; ++batch) {
      std::vector<std::size_t> lengths;
      for (Index i = 0; i < 4; ++i) lengths.push_back(items[order(4 * batch + i)].ids.size());
      const std::size_t longest = *std::max_element(lengths.begin(), lengths.end());
      for (const std::size_t length : lengths) padded += longest - length, total += longest;
    }
    return static_cast<double>(padded) / static_cast<double>(total);
  };
  CHECK(padding(Shuffled(items.size(), Rng(3))) > 0.25);
  CHECK(padding(Shuffled(items, 4, Rng(3))) < 0.1);

  Shuffled walked(items, 4, Rng(3)), jumped(items, 4, Rng(3));
  for (const Index epoch : {0, 1}) {
    std::set<std::size_t> seen;
    for (Index i = 0; i < 203; ++i) seen.insert(walked(203 * epoch + i));
    CHECK(seen.size() == 203);
  }
  CHECK(jumped(300) == walked(300));
  CHECK(jumped(7) == Shuffled(items, 4, Rng(3))(7));

  const std::vector<Sequence> equal(20, Sequence{{1, 2, 3}, 1});
  Shuffled plain(20, Rng(9)), by_length(equal, 4, Rng(9));
  for (Index i = 0; i < 40; ++i) CHECK(plain(i) == by_length(i));
}

}  // namespace cmoe::batch_test
