// Matrix products.
#pragma once

#include <memory>

#include "cmoe/autograd/tape.hpp"
#include "cmoe/core/product.hpp"
#include "cmoe/core/stored_matrix.hpp"

namespace cmoe {

namespace detail {
// What a product of x and w keeps for its way back: each operand only if the other wants a gradient.
template <class B>
struct Operands {
  Kept<B> x;
  Array<B> w;
  Operands(const Tensor<B>& left, const Tensor<B>& right)
      : x(right.wants_gradient() ? left.kept() : Kept<B>()), w(left.wants_gradient() ? right.value() : Array<B>()) {}
};
}  // namespace detail

// y = x w                        x (...,K), w (K,N) -> y (...,N)
// gradient: dx = dy wᵀ, dw = xᵀ dy;  cost: 2·rows·K·N multiply-adds in each of the three
// throws Error if the inner sizes differ
template <class B>
Tensor<B> matmul(const Tensor<B>& x, const Tensor<B>& w) {
  using Real = typename B::Scalar;
  check(x.shape().rank() >= 1 && w.shape().rank() == 2 && x.shape().cols() == w.shape()[0], "matmul: inner sizes differ: ", x.shape(),
        " · ", w.shape());
  const Index m = x.shape().rows(), k = w.shape()[0], n = w.shape()[1];
  Array<B> y(x.shape().with(-1, n));
  B::gemm(Form::nn, m, n, k, Real(1), x.data(), k, w.data(), n, false, y.data(), n);
  return Tape<B>::record(std::move(y), {&x, &w}, [=, kept = detail::Operands<B>(x, w), xs = x.shape(), ws = w.shape(), dx = x.slot(),
                                                  dw = w.slot()](const Array<B>& dy) {
    if (dx) dx.add_product(Form::nt, m, k, n, dy, kept.w, xs);
    if (dw) dw.add_product(Form::tn, k, n, m, kept.x(), dy, ws);
  });
}

// y = x wᵀ                       x (...,K), w (N,K) -> y (...,N): the output layer that shares the embedding's table
template <class B>
Tensor<B> matmul_transposed(const Tensor<B>& x, const Tensor<B>& w) {
  using Real = typename B::Scalar;
  check(x.shape().rank() >= 1 && w.shape().rank() == 2 && x.shape().cols() == w.shape()[1],
        "matmul_transposed: inner sizes differ: ", x.shape(), " · ", w.shape(), "ᵀ");
  const Index m = x.shape().rows(), k = w.shape()[1], n = w.shape()[0];
  Array<B> y(x.shape().with(-1, n));
  B::gemm(Form::nt, m, n, k, Real(1), x.data(), k, w.data(), k, false, y.data(), n);
  return Tape<B>::record(std::move(y), {&x, &w}, [=, kept = detail::Operands<B>(x, w), xs = x.shape(), ws = w.shape(), dx = x.slot(),
                                                  dw = w.slot()](const Array<B>& dy) {
    if (dx) dx.add_product(Form::nn, m, k, n, dy, kept.w, xs);
    if (dw) dw.add_product(Form::tn, n, k, m, dy, kept.x(), ws);
  });
}

// The same for a frozen w as it lies in a file.
// gradient: dx = dy w
template <class B>
Tensor<B> matmul_stored(const Tensor<B>& x, const std::shared_ptr<const StoredMatrix>& w) {
  check(x.shape().rank() >= 1 && x.shape().cols() == w->cols(), "matmul_stored: inner sizes differ: ", x.shape(), " · ", w->shape(), "ᵀ");
  const Index m = x.shape().rows();
  Array<B> y(x.shape().with(-1, w->rows()));
  B::stored_product(*w, m, x.data(), y.data());
  return Tape<B>::record(std::move(y), {&x}, [=, shape = x.shape(), dx = x.slot()](const Array<B>& dy) {
    Array<B> gradient(shape);
    B::stored_product_back(*w, m, dy.data(), gradient.data());
    dx.add(std::move(gradient));
  });
}

// One product for each leading index: a (...,M,K), b (...,K,N) -> (...,M,N) with equal leading sizes; `form` transposes the last
// two axes of a (tn) or of b (nt).
// throws Error if the leading or the inner sizes differ
template <class B>
Tensor<B> matmul_batched(const Tensor<B>& a, const Tensor<B>& b, Form form = Form::nn) {
  using Real = typename B::Scalar;
  const Shape &as = a.shape(), &bs = b.shape();
  const auto mismatch = [&](bool ok) { check(ok, "matmul_batched: ", as, " and ", bs, " do not fit"); };
  mismatch(as.rank() >= 2 && as.rank() == bs.rank());
  for (int i = 0; i + 2 < as.rank(); ++i) mismatch(as[i] == bs[i]);
  const Index ar = as[-2], ac = as[-1], br = bs[-2], bc = bs[-1];
  const Index m = form == Form::tn ? ac : ar, k = form == Form::tn ? ar : ac, n = form == Form::nt ? br : bc;
  mismatch(k == (form == Form::nt ? bc : br));
  Index batch = 1;
  for (int i = 0; i + 2 < as.rank(); ++i) batch *= as[i];
  Array<B> y(as.with(-2, m).with(-1, n));
  B::gemm_batched(form, batch, m, n, k, Real(1), a.data(), ar * ac, b.data(), br * bc, false, y.data(), m * n);
  return Tape<B>::record(std::move(y), {&a, &b}, [=, a = a.value(), b = b.value(), da = a.slot(), db = b.slot()](const Array<B>& dy) {
    const auto product = [&](Form f, Index rows, Index cols, Index inner, const Array<B>& l, const Array<B>& r, const Shape& shape) {
      Array<B> out(shape);
      B::gemm_batched(f, batch, rows, cols, inner, Real(1), l.data(), l.size() / std::max<Index>(batch, 1), r.data(),
                      r.size() / std::max<Index>(batch, 1), false, out.data(), rows * cols);
      return out;
    };
    if (da) {
      if (form == Form::nn) da.add(product(Form::nt, m, k, n, dy, b, a.shape()));
      else if (form == Form::nt) da.add(product(Form::nn, m, k, n, dy, b, a.shape()));
      else da.add(product(Form::nt, k, m, n, b, dy, a.shape()));
    }
    if (db) {
      if (form == Form::nn) db.add(product(Form::tn, k, n, m, a, dy, b.shape()));
      else if (form == Form::nt) db.add(product(Form::tn, n, k, m, dy, a, b.shape()));
      else db.add(product(Form::nn, k, n, m, a, dy, b.shape()));
    }
  });
}

}  // namespace cmoe
