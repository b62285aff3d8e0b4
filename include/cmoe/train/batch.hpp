// Sequences of ids and batches of them: what is trained on, what a gate may read, what is padding.
#pragma once

#include <algorithm>
#include <functional>

#include "cmoe/core/random.hpp"
#include "cmoe/nn/flow.hpp"
#include "cmoe/ops/loss.hpp"

namespace cmoe {

// One training or test item as ids. The first `prompt` ids are given, the others are to be predicted.
struct Sequence {
  std::vector<Id> ids;
  Index prompt = 0;
};

// N sequences padded on the right to T+1 ids: inputs are the first T, labels the ids of answers, each at the position before it.
template <class B>
struct Batch {
  Ids<B> ids;                        // (N,T)
  Ids<B> scored;                     // (R) positions of all N·T that have a label, ascending: the output layer computes no others
  Ids<B> labels;                     // (R)
  Ids<B> prompt_first, prompt_last;  // (N) the prompt's range
  Ids<B> last;                       // (N) one past the last input that is not padding

  Flow<B> flow() const {
    Flow<B> f;
    f.prompt_first = prompt_first;
    f.prompt_last = prompt_last;
    f.last = last;
    f.scored = scored;
    return f;
  }
};

// throws Error for an empty list, or a sequence without a prompt and something after it
template <class B>
Batch<B> make_batch(const std::vector<const Sequence*>& sequences, Id padding = 0) {
  check(!sequences.empty(), ErrorKind::misuse, "batch: no sequences");
  std::size_t longest = 0;
  for (const Sequence* s : sequences) {
    check(s->prompt >= 1 && s->prompt < static_cast<Index>(s->ids.size()), ErrorKind::misuse, "batch: a prompt of ", s->prompt,
          " ids in a sequence of ", s->ids.size());
    longest = std::max(longest, s->ids.size());
  }
  const auto n = static_cast<Index>(sequences.size()), t = static_cast<Index>(longest) - 1;
  std::vector<Id> ids, scored, labels, first, prompt, last;
  Batch<B> batch;
  for (const Sequence* s : sequences) {
    const auto length = static_cast<Index>(s->ids.size());
    for (Index i = 0; i < t; ++i) {
      ids.push_back(i < length - 1 ? s->ids[static_cast<std::size_t>(i)] : padding);
      if (i + 1 >= length || i + 1 < s->prompt) continue;
      scored.push_back(static_cast<Id>(ids.size()) - 1);
      labels.push_back(s->ids[static_cast<std::size_t>(i) + 1]);
    }
    first.push_back(0);
    prompt.push_back(static_cast<Id>(s->prompt));
    last.push_back(static_cast<Id>(length - 1));
  }
  batch.ids = Ids<B>({n, t}, ids);
  batch.scored = Ids<B>({std::ssize(scored)}, scored);
  batch.labels = Ids<B>({std::ssize(labels)}, labels);
  batch.prompt_first = Ids<B>({n}, first);
  batch.prompt_last = Ids<B>({n}, prompt);
  batch.last = Ids<B>({n}, last);
  return batch;
}

// The same for the sequences begin..end of a list.
template <class B>
Batch<B> make_batch(const std::vector<Sequence>& sequences, std::size_t begin, std::size_t end, Id padding = 0) {
  std::vector<const Sequence*> chosen;
  for (std::size_t i = begin; i < std::min(end, sequences.size()); ++i) chosen.push_back(&sequences[i]);
  return make_batch<B>(chosen, padding);
}

// The order in which a set of n items is seen: shuffled anew in each epoch. A pure function of the random sequence and the
// position, so the position is all that a checkpoint must keep.
class Shuffled {
 public:
  Shuffled(std::size_t n, Rng rng) : n_(n), rng_(rng) { check(n > 0, ErrorKind::misuse, "shuffled: a task has no training items"); }

  // The same for items that are taken `batch` at a time: each batch has items of about one length, so that little is padding. Of every
  // eight batches the items are sorted by length and the batches shuffled; where all items are equally long the order is the plain one.
  Shuffled(const std::vector<Sequence>& items, Index batch, Rng rng) : Shuffled(items.size(), rng) {
    batch_ = static_cast<std::size_t>(batch);
    for (const Sequence& s : items) lengths_.push_back(s.ids.size());
    if (std::adjacent_find(lengths_.begin(), lengths_.end(), std::not_equal_to<>()) == lengths_.end()) lengths_.clear();
  }

  std::size_t operator()(Index position) {
    const auto epoch = static_cast<Index>(static_cast<std::size_t>(position) / n_);
    if (epoch != epoch_) {
      order_.resize(n_);
      for (std::size_t i = 0; i < n_; ++i) order_[i] = i;
      Rng mine = rng_.fork(static_cast<std::uint64_t>(epoch));
      mine.shuffle(order_);
      for (std::size_t begin = 0; !lengths_.empty() && begin < n_; begin += 8 * batch_) by_length(begin, mine);
      epoch_ = epoch;
    }
    return order_[static_cast<std::size_t>(position) % n_];
  }

 private:
  // Whole batches from `begin` on; what is left over at the end of an epoch stays where it is.
  void by_length(std::size_t begin, Rng& rng) {
    const std::size_t batches = std::min<std::size_t>(8, (n_ - begin) / batch_);
    const auto first = order_.begin() + static_cast<std::ptrdiff_t>(begin), last = first + static_cast<std::ptrdiff_t>(batches * batch_);
    std::stable_sort(first, last, [&](std::size_t a, std::size_t b) { return lengths_[a] < lengths_[b]; });
    const std::vector<std::size_t> sorted(first, last);
    std::vector<std::size_t> turn(batches);
    for (std::size_t i = 0; i < batches; ++i) turn[i] = i;
    rng.shuffle(turn);
    for (std::size_t i = 0; i < batches; ++i)
      std::copy_n(sorted.begin() + static_cast<std::ptrdiff_t>(turn[i] * batch_), batch_, first + static_cast<std::ptrdiff_t>(i * batch_));
  }

  std::size_t n_;
  Rng rng_;
  std::size_t batch_ = 1;
  std::vector<std::size_t> lengths_;  // empty: they do not count
  Index epoch_ = -1;
  std::vector<std::size_t> order_;
};

}  // namespace cmoe
