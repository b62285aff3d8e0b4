// Rows of a prompt and its answer, as an encoder and a decoder read them.
#pragma once

#include <algorithm>

#include "cmoe/nn/flow.hpp"

namespace cmoe {

// Row i of ids (N,T) has its prompt at first..split-1 and its answer at split..last-1. The encoder reads the prompts, S tokens at most;
// the decoder reads the start token and the answers. Places are counted over all N·T; the start token's is N·T.
struct T5Rows {
  Index n, t, source = 0, target = 0;  // the longest prompt; the most tokens that a decoder reads
  std::vector<Id> first, split, last;

  // The first two sizes of `shape` count. throws Error (misuse) if the flow has no range of a prompt, or one that is empty or not in the row
  template <class B>
  T5Rows(const Shape& shape, const Flow<B>& flow) : n(shape[0]), t(shape[1]) {
    check(flow.prompt_first && flow.prompt_last, ErrorKind::misuse,
          "t5: the range of the prompt is not set; the encoder reads the prompt and the decoder the answer behind it");
    check(!flow.first, ErrorKind::misuse, "t5: rows must be padded on the right");
    first = flow.prompt_first.values();
    split = flow.prompt_last.values();
    last = flow.last ? flow.last.values() : std::vector<Id>(static_cast<std::size_t>(n), static_cast<Id>(t));
    const auto rows = static_cast<std::size_t>(n);
    check(first.size() == rows && split.size() == rows && last.size() == rows, "t5: ", split.size(), " prompts and ", last.size(), " ends for ", n,
          " rows");
    for (std::size_t i = 0; i < rows; ++i) {
      check(first[i] >= 0 && first[i] < split[i] && split[i] <= last[i] && last[i] <= t, ErrorKind::misuse, "t5: row ", i, " has its prompt at ",
            first[i], "..", split[i], " of ", last[i], " tokens");
      source = std::max<Index>(source, split[i] - first[i]);
      target = std::max<Index>(target, last[i] - split[i] + 1);
    }
  }

  // What the encoder reads, (N,S); behind a prompt's end its last token again, which lengths() leaves out.
  std::pair<Shape, std::vector<Id>> sources() const {
    std::vector<Id> places;
    for_rows([&](Id row, Id begin, Id end, Id) {
      for (Index j = 0; j < source; ++j) places.push_back(row + std::min(static_cast<Id>(begin + j), static_cast<Id>(end - 1)));
    });
    return {{n, source}, places};
  }
  // What the decoder reads, (N,target); nothing looks at what is behind an answer's end.
  std::vector<Id> targets() const {
    std::vector<Id> places;
    for_rows([&](Id row, Id, Id end, Id stop) {
      places.push_back(static_cast<Id>(n * t));
      for (Index j = 1; j < target; ++j) places.push_back(row + std::min(static_cast<Id>(end + j - 1), static_cast<Id>(stop - 1)));
    });
    return places;
  }
  // The rows again, (N·T), with the encoder's states at the prompts: these lie behind all N·T, as sources() has them.
  std::vector<Id> merged() const {
    std::vector<Id> places;
    Id states = static_cast<Id>(n * t);
    for_rows([&](Id row, Id begin, Id end, Id) {
      for (Id j = 0; j < t; ++j) places.push_back(j >= begin && j < end ? states + j - begin : row + j);
      states += static_cast<Id>(source);
    });
    return places;
  }
  // Where scores belong, the place before each token of an answer and the last one, and which decoder state, of N·target, gives them.
  std::pair<std::vector<Id>, std::vector<Id>> answers() const {
    std::vector<Id> places, states;
    Id begun = 0;
    for_rows([&](Id row, Id, Id end, Id stop) {
      for (Id j = 0; j <= stop - end; ++j) places.push_back(row + end - 1 + j), states.push_back(begun + j);
      begun += static_cast<Id>(target);
    });
    return {places, states};
  }

  // Which decoder state, of N·target, gives the scores of each of these places. throws Error (misuse) for one inside a prompt
  std::vector<Id> states_of(const std::vector<Id>& wanted) const {
    std::vector<Id> states;
    for (const Id place : wanted) {
      const Index i = place / t, behind = place % t + 1 - split.at(static_cast<std::size_t>(i));
      check(behind >= 0 && behind < target, ErrorKind::misuse, "t5: scores are asked for at token ", place % t, " of row ", i,
            ", which is not in front of an answer's token");
      states.push_back(static_cast<Id>(i * target + behind));
    }
    return states;
  }

  template <class B>
  Ids<B> lengths() const {
    std::vector<Id> all;
    for (std::size_t i = 0; i < first.size(); ++i) all.push_back(split[i] - first[i]);
    return Ids<B>({n}, all);
  }
  // The same of a flow that has the prompts' ranges.
  template <class B>
  static Ids<B> lengths_of(const Flow<B>& flow) {
    check(flow.prompt_first && flow.prompt_last, ErrorKind::misuse, "t5: the range of the prompt that is in the caches is not set");
    std::vector<Id> all = flow.prompt_last.values();
    const std::vector<Id> begin = flow.prompt_first.values();
    for (std::size_t i = 0; i < all.size(); ++i) all[i] -= begin.at(i);
    return Ids<B>(flow.prompt_last.shape(), all);
  }

  bool even() const {  // all answers begin and end at the same place
    return std::all_of(split.begin(), split.end(), [&](Id s) { return s == split[0]; }) &&
           std::all_of(last.begin(), last.end(), [&](Id l) { return l == last[0]; });
  }

 private:
  // f(place of the row's first id, first, split, last)
  template <class F>
  void for_rows(F&& f) const {
    for (std::size_t i = 0; i < first.size(); ++i) f(static_cast<Id>(static_cast<Index>(i) * t), first[i], split[i], last[i]);
  }
};

}  // namespace cmoe
