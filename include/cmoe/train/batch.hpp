// Sequences of ids and batches of them: what is trained on, what a gate may read, what is padding.
#pragma once

#include <algorithm>

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
  Index trained = 0;                 // R

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
  batch.trained = std::ssize(labels);
  batch.scored = Ids<B>({batch.trained}, scored);
  batch.labels = Ids<B>({batch.trained}, labels);
  batch.prompt_first = Ids<B>({n}, first);
  batch.prompt_last = Ids<B>({n}, prompt);
  batch.last = Ids<B>({n}, last);
  return batch;
}

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

  std::size_t operator()(Index position) {
    const auto epoch = static_cast<Index>(static_cast<std::size_t>(position) / n_);
    if (epoch != epoch_) {
      order_.resize(n_);
      for (std::size_t i = 0; i < n_; ++i) order_[i] = i;
      Rng mine = rng_.fork(static_cast<std::uint64_t>(epoch));
      mine.shuffle(order_);
      epoch_ = epoch;
    }
    return order_[static_cast<std::size_t>(position) % n_];
  }

 private:
  std::size_t n_;
  Rng rng_;
  Index epoch_ = -1;
  std::vector<std::size_t> order_;
};

}  // namespace cmoe
