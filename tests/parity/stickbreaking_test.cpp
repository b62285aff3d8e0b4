#include "cmoe/attention/stickbreaking.hpp"
#include "cmoe/ops/layout.hpp"
#include "golden.hpp"

namespace cmoe::stickbreaking_test {

namespace {

// The files hold (N,H,T,D), we take (N,T,H,D): one swap of axes on the way in and out, which the gradients pass too.
template <class B>
void compare(const std::string& name, bool attend_current, double tolerance) {
  const auto path = shared_data("golden/stickbreaking/" + name);
  if (!path) return;
  const SafeTensors file = SafeTensors::open(*path);
  Tensor<B> q = golden::tensor<B>(file, "q"), k = golden::tensor<B>(file, "k"), v = golden::tensor<B>(file, "v");
  for (Tensor<B>* x : {&q, &k, &v}) x->want_gradient();
  const double scale = file.at("scale").values<double>()[0];
  Tape<B> tape;
  const auto [out, rest] = stickbreaking_attention(swap_axes(q, 1), swap_axes(k, 1), swap_axes(v, 1), scale, attend_current);
  const Tensor<B> our_out = swap_axes(out, 1), our_rest = swap_axes(rest, 1);
  CHECK(golden::deviation(our_out, file, "out") < tolerance);
  CHECK(golden::deviation(our_rest, file, "rest") < tolerance);
  const Index n = our_out.size(), m = our_rest.size();
  const Tensor<B> both = concat_rows(std::vector<Tensor<B>>{reshape(our_out, {n}), reshape(our_rest, {m})});
  const Tensor<B> projection = concat_rows(std::vector<Tensor<B>>{reshape(golden::tensor<B>(file, "grad_out"), {n}),
                                                                  reshape(golden::tensor<B>(file, "grad_rest"), {m})});
  tape.backward(both, projection.value());
  CHECK(golden::deviation(Tensor<B>(q.grad()), file, "grad_q") < tolerance);
  CHECK(golden::deviation(Tensor<B>(k.grad()), file, "grad_k") < tolerance);
  CHECK(golden::deviation(Tensor<B>(v.grad()), file, "grad_v") < tolerance);
}

// With unit vectors as values the output is the row of weights.
template <class B>
void compare_weights(const std::string& name, bool attend_current, double tolerance) {
  const auto path = shared_data("golden/stickbreaking/" + name);
  if (!path) return;
  const SafeTensors file = SafeTensors::open(*path);
  const Shape& s = file.at("q").shape;
  const Index n = s[0], h = s[1], t = s[2], d = s[3], wide = std::max(t, d);
  const auto widen = [&](const Tensor<B>& x) {
    return concat_columns(std::vector<Tensor<B>>{x, Tensor<B>({n, t, h, wide - d}, 0)});
  };
  Tensor<B> unit({n, t, h, wide}, 0);
  for (Index a = 0; a < n; ++a)
    for (Index j = 0; j < t; ++j)
      for (Index b = 0; b < h; ++b) unit.data()[((a * t + j) * h + b) * wide + j] = 1;
  const auto out = stickbreaking_attention(widen(swap_axes(golden::tensor<B>(file, "q"), 1)),
                                           widen(swap_axes(golden::tensor<B>(file, "k"), 1)), unit,
                                           file.at("scale").values<double>()[0], attend_current)
                       .out;
  CHECK(golden::deviation(swap_axes(slice_columns(out, 0, t), 1), file, "weights") < tolerance);
}

}  // namespace

TEST_CASE("stick-breaking attention gives the reference's output, rest and gradients in double") {
  compare<Cpu<double>>("attend_current.safetensors", true, 1e-10);
  compare<Cpu<double>>("strictly_past.safetensors", false, 1e-10);
}

TEST_CASE("stick-breaking attention gives the reference's output, rest and gradients in float") {
  compare<Cpu<float>>("attend_current.safetensors", true, 1e-4);
  compare<Cpu<float>>("strictly_past.safetensors", false, 1e-4);
}

TEST_CASE("the weights that stick-breaking attention never stores are the reference's") {
  compare_weights<Cpu<double>>("attend_current.safetensors", true, 1e-10);
  compare_weights<Cpu<double>>("strictly_past.safetensors", false, 1e-10);
}

}  // namespace cmoe::stickbreaking_test
