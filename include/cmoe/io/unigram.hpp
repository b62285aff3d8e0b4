// Unigram segmentation: of all ways to cut a text into pieces the one with the largest sum of scores.
#pragma once

#include <algorithm>
#include <limits>
#include <string_view>

#include "cmoe/io/pair_table.hpp"
#include "cmoe/io/unicode.hpp"

namespace cmoe {

// Kudo, arXiv 1804.10959; Viterbi over byte positions, pieces found in a trie.
class Unigram {
 public:
  struct Node {
    double score = 0;
    std::size_t begin = none;
    Id id = 0;
  };
  static constexpr std::size_t none = static_cast<std::size_t>(-1);

  // The scores of unknown characters: 10 below the smallest of all pieces.
  void add(std::string_view piece, Id id, float score) {
    Id node = 0;
    for (char c : piece) {
      const auto [child, made] = children_.insert(node, static_cast<unsigned char>(c));
      if (made) {
        *child = static_cast<Id>(ids_.size());
        ids_.push_back(-1);
        scores_.push_back(0);
      }
      node = *child;
    }
    ids_[static_cast<std::size_t>(node)] = id;
    scores_[static_cast<std::size_t>(node)] = score;
    smallest_ = std::min(smallest_, score);
  }
  void sum_in_double() { double_sums_ = true; }

  // Calls take(piece, id) in turn, id -1 for a character that is no piece. O(n · longest piece); nodes is a buffer.
  template <class Take>
  void segment(std::string_view text, std::vector<Node>& nodes, Take&& take) const {
    const float unknown = smallest_ - 10.0f;
    nodes.assign(text.size() + 1, {});
    const auto offer = [&](std::size_t begin, std::size_t end, double score, Id id) {
      Node& node = nodes[end];
      const double sum = score + nodes[begin].score;
      if (node.begin == none || sum > node.score) node = {double_sums_ ? sum : double{static_cast<float>(sum)}, begin, id};
    };
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t length = std::max<std::size_t>(1, utf8_length(text, at));
      bool character = false;
      Id node = 0;
      for (std::size_t end = at; end < text.size();) {
        const Id* child = children_.find(node, static_cast<unsigned char>(text[end]));
        if (child == nullptr) break;
        node = *child;
        ++end;
        const auto place = static_cast<std::size_t>(node);
        if (ids_[place] < 0) continue;
        offer(at, end, double{scores_[place]}, ids_[place]);
        character = character || end == at + length;
      }
      if (!character) offer(at, at + length, double{unknown}, -1);
      at += length;
    }
    std::size_t previous = none;
    for (std::size_t end = text.size(); end > 0;) {  // the way back turned round: begin becomes the end of the piece that follows
      const std::size_t begin = nodes[end].begin;
      nodes[end].begin = previous;
      previous = end;
      end = begin;
    }
    for (std::size_t begin = 0, end = previous; end != none; begin = end, end = nodes[end].begin)
      take(text.substr(begin, end - begin), nodes[end].id);
  }

 private:
  PairTable<Id> children_;  // node, byte -> node
  std::vector<Id> ids_ = {-1};
  std::vector<float> scores_ = {0};
  float smallest_ = std::numeric_limits<float>::max();
  bool double_sums_ = false;
};

}  // namespace cmoe
