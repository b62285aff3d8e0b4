#include "cmoe/core/functors.hpp"
#include "cmoe/cpu/eigen_elementwise.hpp"
#include "cmoe/cpu/eigen_rows.hpp"
#include "cmoe/cpu/elementwise.hpp"
#include "cmoe/cpu/rows.hpp"
#include "cmoe/cpu/update.hpp"
#include "cpu/twins.hpp"

namespace cmoe::eigen_rows_test {

using test::check_same;
namespace own = cmoe::cpu;
namespace twin = cmoe::cpu::eigen;
using Vector = std::vector<double>;

TEST_CASE("elementwise loops and updates are Eigen's") {
  const Index n = 45;
  const Vector x = test::numbers<double>(n, 3, true), z = test::numbers<double>(n, 4, true), dy = test::numbers<double>(n, 5, true);
  check_same("map", n, [&](double* y) { own::map<fn::Gelu>(n, x.data(), y); }, [&](double* y) { twin::map<fn::Gelu>(n, x.data(), y); });
  check_same("map_back", n, [&](double* d) { own::map_back<fn::Tanh>(n, x.data(), z.data(), dy.data(), d); },
             [&](double* d) { twin::map_back<fn::Tanh>(n, x.data(), z.data(), dy.data(), d); });
  check_same("zip", n, [&](double* y) { own::zip<fn::SwiGlu>(n, x.data(), z.data(), y); },
             [&](double* y) { twin::zip<fn::SwiGlu>(n, x.data(), z.data(), y); });
  check_same("zip_broadcast", n, [&](double* y) { own::zip_broadcast<fn::Divide>(3, 5, 3, x.data(), z.data(), y); },
             [&](double* y) { twin::zip_broadcast<fn::Divide>(3, 5, 3, x.data(), z.data(), y); });
  check_same("zip_back", 2 * n, [&](double* d) { own::zip_back<fn::SwiGlu>(n, x.data(), z.data(), x.data(), dy.data(), d, d + n); },
             [&](double* d) { twin::zip_back<fn::SwiGlu>(n, x.data(), z.data(), x.data(), dy.data(), d, d + n); });
  const AdamWStep<double> step{0.01, 0.9, 0.99, 1e-8, 0.1, 0.19, 0.02, 0.7};
  check_same("adamw", 3 * n, [&](double* p) { own::adamw(n, p, x.data(), p + n, p + 2 * n, step); },
             [&](double* p) { twin::adamw(n, p, x.data(), p + n, p + 2 * n, step); });
  check_same("sum_squares", 1, [&](double* y) { *y = own::sum_squares(n, x.data()); }, [&](double* y) { *y = twin::sum_squares(n, x.data()); });
}

TEST_CASE("row kernels are Eigen's") {
  const Index r = 6, c = 19, n = r * c;
  const Vector x = test::numbers<double>(n, 6, true), dy = test::numbers<double>(n, 7, true), gain = test::numbers<double>(c, 8, true);
  const double *v = x.data(), *d = dy.data(), *g = gain.data();
  const Id labels[] = {0, 18, -1, 4, 4, 9};
  check_same("softmax", 2 * n, [&](double* y) { own::softmax_rows(r, c, v, y); own::softmax_rows_back(r, c, y, d, y + n); },
             [&](double* y) { twin::softmax_rows(r, c, v, y); twin::softmax_rows_back(r, c, y, d, y + n); });
  check_same("logsumexp", n + r, [&](double* y) { own::logsumexp_rows(r, c, v, y); own::logsumexp_rows_back(r, c, v, y, d, y + r); },
             [&](double* y) { twin::logsumexp_rows(r, c, v, y); twin::logsumexp_rows_back(r, c, v, y, d, y + r); });
  check_same("layer_norm", n + 2 * r, [&](double* y) { own::layer_norm(r, c, 1e-5, v, g, d, y, y + n, y + n + r); },
             [&](double* y) { twin::layer_norm(r, c, 1e-5, v, g, d, y, y + n, y + n + r); });
  check_same("layer_norm_back", n + 2 * c, [&](double* y) { own::layer_norm_back(r, c, v, g, d, d + r, d, y, y + n, y + n + c); },
             [&](double* y) { twin::layer_norm_back(r, c, v, g, d, d + r, d, y, y + n, y + n + c); });
  check_same("rms_norm", n + r, [&](double* y) { own::rms_norm(r, c, 1e-5, v, g, y, y + n); },
             [&](double* y) { twin::rms_norm(r, c, 1e-5, v, g, y, y + n); });
  check_same("rms_norm_back", n + c, [&](double* y) { own::rms_norm_back(r, c, v, g, d, d, y, y + n); },
             [&](double* y) { twin::rms_norm_back(r, c, v, g, d, d, y, y + n); });
  check_same("cross_entropy", 2 * r + n,
             [&](double* y) { own::cross_entropy(r, c, v, labels, -1, y, y + r); own::cross_entropy_back(r, c, v, labels, -1, y + r, d, y + 2 * r); },
             [&](double* y) { twin::cross_entropy(r, c, v, labels, -1, y, y + r); twin::cross_entropy_back(r, c, v, labels, -1, y + r, d, y + 2 * r); });
  check_same("sums", r + c + 3,
             [&](double* y) { own::sum_rows(r, c, v, y); own::sum_columns(r, c, v, y + r); own::reduce_broadcast(2, 3, c, v, y + r + c); },
             [&](double* y) { twin::sum_rows(r, c, v, y); twin::sum_columns(r, c, v, y + r); twin::reduce_broadcast(2, 3, c, v, y + r + c); });
  const Vector whole = test::numbers<double>(n, 9);  // with equal elements
  Id own_ids[6 * 5], twin_ids[6 * 5];
  check_same("topk", r * 4, [&](double* y) { own::topk_rows(r, c, 4, whole.data(), y, own_ids); own::argmax_rows(r, c, whole.data(), own_ids + 24); },
             [&](double* y) { twin::topk_rows(r, c, 4, whole.data(), y, twin_ids); twin::argmax_rows(r, c, whole.data(), twin_ids + 24); });
  CHECK(std::equal(own_ids, own_ids + 30, twin_ids));
}

}  // namespace cmoe::eigen_rows_test
