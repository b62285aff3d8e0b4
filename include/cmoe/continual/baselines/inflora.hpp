// InfLoRA: a new task's LoRA may only move directions that old tasks' inputs do not use.
#pragma once

#include "cmoe/continual/baselines/olora.hpp"
#include "cmoe/pet/observed.hpp"
#include "cmoe/regularizer/subspace.hpp"

namespace cmoe {

// A decoder with one LoRA for each task, which can watch the inputs of its maps.
using ObservedTaskLora = Adapted<Shallow<NoDelta>, Deep<ObservedMixture<LoRA>>>;

// Before a task the down-projection A of each map becomes the R strongest directions of the new task's inputs outside of the space
// that old tasks' inputs span, and is frozen: only B learns. Afterwards the space takes in the task's inputs.      arXiv 2404.00228
// With the whole space kept (threshold 1) old inputs meet x A = 0: their outputs do not change at all.
// ours: columns of A have length 1/√3, that of a random A; one threshold for all tasks; each map keeps a space of its own
struct InfLora {
  double threshold = 0.99; // share of the inputs' energy that is protected
  Index samples = 128;     // sequences whose inputs are looked at

  template <class L>
  void before_task(L& learner, Index) const {
    for_each_newest<typename L::Backend>(learner.model(), "a", [](const std::string&, const auto&, auto& newest) { newest.freeze(); });
  }

  template <class L>
  void prepare(L& learner, Index task, const EncodedTask& data) const {
    using B = typename L::Backend;
    const auto seconds = second_moments(learner, task, data);
    for_each_newest<B>(learner.model(), "a", [&](const std::string& map, const auto&, Param<B>& newest) {
      const MatrixD a = free_directions(space(learner, map, newest.shape()[0]), seconds.at(&std::as_const(newest)), newest.shape()[1]) / std::sqrt(3.0);
      std::vector<typename B::Scalar> values;
      for (Eigen::Index i = 0; i < a.rows(); ++i)
        for (Eigen::Index r = 0; r < a.cols(); ++r) values.push_back(static_cast<typename B::Scalar>(a(i, r)));
      newest.assign(values);
    });
  }

  void add_loss(auto&, auto&, const auto&, const auto&, const auto&, Index) const {}

  template <class L>
  void consolidate(L& learner, Index task, const EncodedTask& data) const {
    using B = typename L::Backend;
    const auto seconds = second_moments(learner, task, data);
    NamedArrays<B> spaces;
    for_each_newest<B>(learner.model(), "a", [&](const std::string& map, const auto&, Param<B>& newest) {
      const MatrixD grown = grown_space(space(learner, map, newest.shape()[0]), seconds.at(&std::as_const(newest)), threshold);
      std::vector<typename B::Scalar> values;
      for (Eigen::Index i = 0; i < grown.rows(); ++i)
        for (Eigen::Index k = 0; k < grown.cols(); ++k) values.push_back(static_cast<typename B::Scalar>(grown(i, k)));
      if (!values.empty()) spaces.emplace(map, Array<B>({grown.rows(), grown.cols()}, std::span<const typename B::Scalar>(values)));
    });
    keep(learner.state(), "space", spaces);
  }

  // The basis of a map's protected directions: (in,k), orthonormal columns.
  template <class L>
  static MatrixD space(const L& learner, const std::string& map, Index in) {
    const auto found = learner.state().arrays.find("space/" + map);
    if (found == learner.state().arrays.end()) return MatrixD(in, 0);
    const Shape& s = found->second.shape();
    check(s.rank() == 2 && s[0] == in, ErrorKind::format, "inflora: the space of ", map, " is ", s, " for inputs of ", in);
    const auto values = found->second.values();
    MatrixD basis(s[0], s[1]);
    for (Index i = 0; i < s[0]; ++i)
      for (Index k = 0; k < s[1]; ++k) basis(i, k) = static_cast<double>(values[static_cast<std::size_t>(i * s[1] + k)]);
    return basis;
  }

 private:
  // H Hᵀ of each map's inputs over a part of the task's items, padding left out; the key is the newest block's A.
  template <class L>
  std::map<const Tensor<typename L::Backend>*, MatrixD> second_moments(L& learner, Index task, const EncodedTask& data) const {
    using B = typename L::Backend;
    std::map<const Tensor<B>*, Array<B>> sums;
    Ids<B> last;
    const std::function<void(const Tensor<B>&, const Tensor<B>&)> observer = [&](const Tensor<B>& map, const Tensor<B>& x) {
      const Index n = x.shape()[0], t = x.shape()[1], c = x.shape()[2];
      const Array<B> valid = without_padding(x.value(), last);
      auto found = sums.find(&map);
      const bool more = found != sums.end();
      if (!more) found = sums.emplace(&map, Array<B>({c, c})).first;
      B::gemm(Form::tn, c, c, n * t, typename B::Scalar(1), valid.data(), c, valid.data(), c, more, found->second.data(), c);
    };
    const typename Tape<B>::Pause no_recording;
    check(samples > 0, ErrorKind::config, "inflora: ", samples, " sequences to look at");
    Shuffled order(data.train.size(), learner.rng().fork("features").fork(static_cast<std::uint64_t>(task)));
    const Index count = std::min(samples, static_cast<Index>(data.train.size())), size = 8;
    for (Index at = 0; at < count; at += size) {
      std::vector<const Sequence*> chosen;
      for (Index i = at; i < std::min(at + size, count); ++i) chosen.push_back(&data.train[order(i)]);
      const Batch<B> batch = make_batch<B>(chosen);
      Flow<B> flow = learner.flow(batch, task);
      flow.observer = &observer;
      last = batch.last;
      learner.model()(batch.ids, flow);
    }
    std::map<const Tensor<B>*, MatrixD> seconds;
    for (const auto& [map, sum] : sums) {
      const Index c = sum.shape()[0];
      const auto values = sum.values();
      MatrixD m(c, c);
      for (Index i = 0; i < c; ++i)
        for (Index j = 0; j < c; ++j) m(i, j) = static_cast<double>(values[static_cast<std::size_t>(i * c + j)]);
      seconds.emplace(map, std::move(m));
    }
    return seconds;
  }

  // x (N,T,C) with zeros behind each sequence's end.
  template <class B>
  static Array<B> without_padding(const Array<B>& x, const Ids<B>& last) {
    const Shape& s = x.shape();
    Array<B> y = x.copy();
    const std::vector<Id> ends = last.values();
    for (Index n = 0; n < s[0]; ++n) {
      const Index end = ends[static_cast<std::size_t>(n)];
      if (end < s[1]) B::fill((s[1] - end) * s[2], typename B::Scalar(0), y.data() + (n * s[1] + end) * s[2]);
    }
    return y;
  }
};

// InfLoRA: one block a task, all of them added.
template <class B>
using InfLoraLearner = Regularized<B, ObservedTaskLora::On<B>, InfLora, true>;

}  // namespace cmoe
