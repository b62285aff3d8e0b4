// Rows and columns picked by ids. Every id is checked here, once, so that no kernel ever reads outside an array.
#pragma once

#include "cmoe/autograd/tape.hpp"
#include "cmoe/core/stored_matrix.hpp"

namespace cmoe {

namespace detail {
template <class B>
void check_ids(const char* op, const Ids<B>& ids, Index limit) {
  check(limit <= std::numeric_limits<Id>::max(), op, ": more than 2^31 rows");
  check(limit > 0 ? B::ids_within(ids.size(), ids.data(), limit, 0) : ids.size() == 0, ErrorKind::index, op, ": an id is not in 0..",
        limit - 1);
}
}  // namespace detail

// Rows of a table: table (V,C), ids (...) -> (...,C). The embedding of tokens.
// gradient: the rows' gradients are added in the order of the ids, so equal ids give the same bits every time
// throws Error if an id is not in 0..V-1
template <class B>
Tensor<B> gather_rows(const Tensor<B>& table, const Ids<B>& ids) {
  check(table.shape().rank() == 2, "gather_rows: the table has shape ", table.shape());
  const Index rows = table.shape()[0], cols = table.shape()[1], n = ids.size();
  detail::check_ids("gather_rows", ids, rows);
  Shape shape = ids.shape();
  shape.push_back(cols);
  Array<B> y(shape);
  B::gather_rows(n, cols, ids.data(), table.data(), y.data());
  return Tape<B>::record(std::move(y), {&table}, [=, full = table.shape(), dx = table.slot()](const Array<B>& dy) {
    Array<B> gradient(full, typename B::Scalar(0));
    B::scatter_add_rows(n, cols, ids.data(), dy.data(), gradient.data());
    dx.add(std::move(gradient));
  });
}

// The same from a frozen table as it lies in a file.
template <class B>
Tensor<B> gather_stored(const StoredMatrix& table, const Ids<B>& ids) {
  detail::check_ids("gather_stored", ids, table.rows());
  Shape shape = ids.shape();
  shape.push_back(table.cols());
  Array<B> y(shape);
  B::gather_stored(table, ids.size(), ids.data(), y.data());
  return y;
}

// Rows added up where their ids say: x (n,C), ids (n) -> (rows,C), row r is the sum of the x[i] with ids[i] = r.
// With ids = segment numbers this is the segment sum.
// throws Error if an id is not in 0..rows-1
template <class B>
Tensor<B> scatter_rows(const Tensor<B>& x, const Ids<B>& ids, Index rows) {
  check(x.shape().rank() == 2 && ids.size() == x.shape()[0], "scatter_rows: ids ", ids.shape(), " for ", x.shape());
  detail::check_ids("scatter_rows", ids, rows);
  const Index n = x.shape()[0], cols = x.shape()[1];
  Array<B> y({rows, cols}, typename B::Scalar(0));
  B::scatter_add_rows(n, cols, ids.data(), x.data(), y.data());
  return Tape<B>::record(std::move(y), {&x}, [=, dx = x.slot()](const Array<B>& dy) {
    Array<B> gradient({n, cols});
    B::gather_rows(n, cols, ids.data(), dy.data(), gradient.data());
    dx.add(std::move(gradient));
  });
}

// k chosen columns of each row: x (n,C), ids (n,k) -> (n,k)
// throws Error if an id is not in 0..C-1
template <class B>
Tensor<B> take_columns(const Tensor<B>& x, const Ids<B>& ids) {
  const Shape &xs = x.shape(), &is = ids.shape();
  check(xs.rank() == 2 && is.rank() == 2 && xs[0] == is[0], "take_columns: ids ", is, " for ", xs);
  detail::check_ids("take_columns", ids, xs[1]);
  const Index rows = xs[0], cols = xs[1], k = is[1];
  Array<B> y(is);
  B::take_columns(rows, cols, k, ids.data(), x.data(), y.data());
  return Tape<B>::record(std::move(y), {&x}, [=, dx = x.slot()](const Array<B>& dy) {
    Array<B> gradient({rows, cols}, typename B::Scalar(0));
    B::take_columns_back(rows, cols, k, ids.data(), dy.data(), gradient.data());
    dx.add(std::move(gradient));
  });
}

// The k largest entries of each row, largest first; of equals the lower column. x (n,C) -> values (n,k), ids (n,k)
// gradient flows to the chosen entries only
// throws Error if k is not in 1..C
template <class B>
struct Largest {
  Tensor<B> values;
  Ids<B> ids;
};
template <class B>
Largest<B> top_k(const Tensor<B>& x, Index k) {
  const Shape& s = x.shape();
  check(s.rank() == 2 && k >= 1 && k <= s[1], ErrorKind::config, "top_k: the ", k, " largest of ", s);
  Array<B> values({s[0], k});
  Ids<B> ids({s[0], k});
  B::topk_rows(s[0], s[1], k, x.data(), values.data(), ids.data());
  return {take_columns(x, ids), ids};
}

// The column of the largest entry of each row, the first of equals: (...,C) -> (rows)
template <class B>
Ids<B> argmax(const Tensor<B>& x) {
  check(x.shape().cols() > 0, "argmax: ", x.shape(), " has empty rows");
  Ids<B> ids({x.shape().rows()});
  B::argmax_rows(x.shape().rows(), x.shape().cols(), x.data(), ids.data());
  return ids;
}

}  // namespace cmoe
