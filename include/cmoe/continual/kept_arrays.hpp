// Named arrays inside a learner's state: anchors, a teacher's parameters, bases of subspaces.
#pragma once

#include "cmoe/continual/learner.hpp"
#include "cmoe/regularizer/anchor.hpp"

namespace cmoe {

// Puts arrays into the state as "group/name"; those the group held before are forgotten.
template <class B>
void keep(LearnerState<B>& state, const std::string& group, const NamedArrays<B>& arrays) {
  std::erase_if(state.arrays, [&](const auto& entry) { return entry.first.starts_with(group + "/"); });
  for (const auto& [name, array] : arrays) state.arrays.emplace(group + "/" + name, array);
}

// The arrays of a group by their names; none if the group was never kept.
template <class B>
NamedArrays<B> kept(const LearnerState<B>& state, const std::string& group) {
  NamedArrays<B> arrays;
  for (auto it = state.arrays.lower_bound(group + "/"); it != state.arrays.end() && it->first.starts_with(group + "/"); ++it)
    arrays.emplace_hint(arrays.end(), it->first.substr(group.size() + 1), it->second);
  return arrays;
}

// The same for an anchor, as two groups.
template <class B>
void keep(LearnerState<B>& state, const std::string& group, const Anchor<B>& anchor) {
  keep(state, group + ".centre", anchor.centre);
  keep(state, group + ".weight", anchor.weight);
}

// The anchor of a group; empty if it was never kept.
template <class B>
Anchor<B> kept_anchor(const LearnerState<B>& state, const std::string& group) {
  return {kept(state, group + ".centre"), kept(state, group + ".weight")};
}

}  // namespace cmoe
