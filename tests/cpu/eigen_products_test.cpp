#include "cmoe/cpu/causal.hpp"
#include "cmoe/cpu/eigen_attention.hpp"
#include "cmoe/cpu/eigen_gemm.hpp"
#include "cmoe/cpu/stickbreaking.hpp"
#include "cpu/twins.hpp"

namespace cmoe::eigen_products_test {

using test::check_same;
namespace own = cmoe::cpu;
namespace twin = cmoe::cpu::eigen;
using Vector = std::vector<double>;

TEST_CASE("products are Eigen's, one by one, in batches and in groups") {
  const Index m = 37, n = 29, k = 53, offsets[] = {0, 10, 10, 37};
  const Vector a = test::numbers<double>(3 * m * k, 1, true), b = test::numbers<double>(3 * k * n, 2, true);
  for (const Form form : {Form::nn, Form::nt, Form::tn}) {
    const Index lda = form == Form::tn ? m : k, ldb = form == Form::nt ? k : n;
    check_same("gemm", m * n, [&](double* c) { own::gemm(form, m, n, k, 0.5, a.data(), lda, b.data(), ldb, true, c, n); },
               [&](double* c) { twin::gemm(form, m, n, k, 0.5, a.data(), lda, b.data(), ldb, true, c, n); });
    check_same("gemm_batched", 3 * m * n,
               [&](double* c) { own::gemm_batched(form, 3, m, n, k, 0.5, a.data(), m * k, b.data(), k * n, false, c, m * n); },
               [&](double* c) { twin::gemm_batched(form, 3, m, n, k, 0.5, a.data(), m * k, b.data(), k * n, false, c, m * n); });
    check_same("gemm_grouped", 3 * k * n,
               [&](double* c) { own::gemm_grouped(form, 3, offsets, n, k, 0.5, a.data(), b.data(), false, c); },
               [&](double* c) { twin::gemm_grouped(form, 3, offsets, n, k, 0.5, a.data(), b.data(), false, c); });
  }
}

TEST_CASE("both attentions and their ways back are Eigen's") {
  const AttentionShape s{2, 70, 140, 4, 2, 6};
  const Index queries = 2 * 70 * 4 * 6, keys = 2 * 140 * 2 * 6, rows = 2 * 70 * 4;
  const Vector q = test::numbers<double>(queries, 10, true), k = test::numbers<double>(keys, 11, true), v = test::numbers<double>(keys, 12, true),
               dout = test::numbers<double>(queries, 13, true), drest = test::numbers<double>(rows, 14, true);
  const Id first[] = {0, 30}, last[] = {140, 120};
  const double *a = q.data(), *b = k.data(), *c = v.data(), *d = dout.data();
  const auto forward_and_back = [&](auto run, auto back) {
    return [=](double* y) {
      run(y, y + queries);
      double* const gradient = y + queries + rows;
      back(y, y + queries, gradient, gradient + queries, gradient + queries + keys);
    };
  };
  const Index outputs = 2 * queries + rows + 2 * keys;
  check_same("causal", outputs,
             forward_and_back([&](double* o, double* l) { own::causal_attention(s, 0.8, a, b, c, first, last, o, l); },
                              [&](double* o, double* l, double* dq, double* dk, double* dv) { own::causal_attention_back(s, 0.8, a, b, c, first, last, o, l, d, dq, dk, dv); }),
             forward_and_back([&](double* o, double* l) { twin::causal_attention(s, 0.8, a, b, c, first, last, o, l); },
                              [&](double* o, double* l, double* dq, double* dk, double* dv) { twin::causal_attention_back(s, 0.8, a, b, c, first, last, o, l, d, dq, dk, dv); }));
  for (const bool current : {true, false})
    check_same("stickbreaking", outputs,
               forward_and_back([&](double* o, double* l) { own::stickbreaking_attention(s, 0.8, current, a, b, c, first, last, o, l); },
                                [&](double*, double* l, double* dq, double* dk, double* dv) { own::stickbreaking_attention_back(s, 0.8, current, a, b, c, first, last, l, d, drest.data(), dq, dk, dv); }),
               forward_and_back([&](double* o, double* l) { twin::stickbreaking_attention(s, 0.8, current, a, b, c, first, last, o, l); },
                                [&](double*, double* l, double* dq, double* dk, double* dv) { twin::stickbreaking_attention_back(s, 0.8, current, a, b, c, first, last, l, d, drest.data(), dq, dk, dv); }));
}

}  // namespace cmoe::eigen_products_test
