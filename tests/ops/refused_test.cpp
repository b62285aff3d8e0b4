// Operands that are refused: ids outside their range, shapes that do not fit, and the words of the errors.
#include <doctest/doctest.h>

#include "cmoe/attention/biased_attention.hpp"
#include "cmoe/attention/causal.hpp"
#include "cmoe/attention/stickbreaking.hpp"
#include "cmoe/moe/dispatch.hpp"
#include "cmoe/moe/gate.hpp"
#include "cmoe/pet/lora.hpp"
#include "draw.hpp"

namespace cmoe::refused_test {

using draw::B, draw::T, draw::IdArray;

namespace {

std::string refused(ErrorKind kind, auto&& f) {
  try {
    f();
  } catch (const Error& e) {
    CHECK(e.kind() == kind);
    return e.what();
  }
  return "accepted";
}

constexpr Id worst[] = {std::numeric_limits<Id>::min(), -1, std::numeric_limits<Id>::max()};

// f(id) must throw an index error for the worst ids and for `limit`, and accept 0 and the last.
template <class F>
void validates(Id limit, F&& f) {
  for (Id id : {worst[0], worst[1], worst[2], limit}) {
    CAPTURE(id);
    CHECK(refused(ErrorKind::index, [&] { f(id); }) != "accepted");
  }
  for (Id id : {Id{0}, limit - 1}) {
    CAPTURE(id);
    CHECK_NOTHROW(f(id));
  }
}

}  // namespace

TEST_CASE("every operation that takes ids refuses those outside their range") {
  const T x({4, 3}, 1.0), sequences({2, 4, 3}, 1.0), q({1, 4, 1, 2}, 1.0);
  SUBCASE("gather_rows") {
    validates(4, [&](Id id) { gather_rows(x, IdArray({2}, {0, id})); });
  }
  SUBCASE("scatter_rows") {
    validates(5, [&](Id id) { scatter_rows(x, IdArray({4}, {0, 1, id, 2}), 5); });
  }
  SUBCASE("take_columns") {
    validates(3, [&](Id id) { take_columns(x, IdArray({4, 1}, {0, 1, 2, id})); });
  }
  SUBCASE("cross_entropy") {
    validates(3, [&](Id id) { cross_entropy(x, IdArray({4}, {id, 0, 1, ignored_label})); });
  }
  SUBCASE("mean_of_range, first") {
    validates(5, [&](Id id) { mean_of_range(sequences, IdArray({2}, {0, id}), IdArray({2}, {4, 4})); });
  }
  SUBCASE("mean_of_range, last") {
    validates(5, [&](Id id) { mean_of_range(sequences, IdArray({2}, {0, 0}), IdArray({2}, {4, id})); });
  }
  SUBCASE("max_of_range, first") {
    validates(5, [&](Id id) { max_of_range(sequences, IdArray({2}, {0, id}), IdArray({2}, {4, 4})); });
  }
  SUBCASE("max_of_range, last") {
    validates(5, [&](Id id) { max_of_range(sequences, IdArray({2}, {0, 0}), IdArray({2}, {4, id})); });
  }
  SUBCASE("dispatch") {
    validates(3, [&](Id id) { ExpertOrder<B>(IdArray({2, 1}, {0, id}), 3); });
  }
  SUBCASE("causal_attention, first") {
    validates(5, [&](Id id) { causal_attention(q, q, q, 1, IdArray({1}, {id})); });
  }
  SUBCASE("causal_attention, last") {
    validates(5, [&](Id id) { causal_attention(q, q, q, 1, IdArray(), IdArray({1}, {id})); });
  }
  SUBCASE("biased_attention, first") {
    validates(5, [&](Id id) { biased_attention(q, q, q, T(), 1, IdArray({1}, {id})); });
  }
  SUBCASE("biased_attention, last") {
    validates(5, [&](Id id) { biased_attention(q, q, q, T(), 1, IdArray(), IdArray({1}, {id})); });
  }
  SUBCASE("stickbreaking, first") {
    validates(5, [&](Id id) { stickbreaking_attention(q, q, q, 1, true, IdArray({1}, {id})); });
  }
  SUBCASE("stickbreaking, last") {
    validates(5, [&](Id id) { stickbreaking_attention(q, q, q, 1, true, IdArray(), IdArray({1}, {id})); });
  }
  SUBCASE("oracle_gates") {
    validates(3, [&](Id id) { oracle_gates<B>(2, 3, id); });
  }
  SUBCASE("slice_rows") {
    validates(5, [&](Id id) { slice_rows(x, id, std::max<Index>(id, 4)); });
  }
  SUBCASE("slice_columns") {
    validates(4, [&](Id id) { slice_columns(x, 0, id); });
  }
  SUBCASE("rotary") {
    const RotaryTable<B> turns(6, 2, 100);
    validates(3, [&](Id id) { rotary(q, turns, RotaryLayout::halves, id); });
  }
}

TEST_CASE("an empty table and an empty set of experts have no valid id") {
  for (Id id : {-1, 0}) {
    CHECK(refused(ErrorKind::index, [&] { gather_rows(T(Shape{0, 3}), IdArray({1}, {id})); }) != "accepted");
    CHECK(refused(ErrorKind::index, [&] { scatter_rows(T({1, 3}, 1.0), IdArray({1}, {id}), 0); }) != "accepted");
    CHECK(refused(ErrorKind::index, [&] { take_columns(T(Shape{1, 0}), IdArray({1, 1}, {id})); }) != "accepted");
    CHECK(refused(ErrorKind::index, [&] { ExpertOrder<B>(IdArray({1, 1}, {id}), 0); }) != "accepted");
    CHECK(refused(ErrorKind::index, [&] { cross_entropy(T(Shape{1, 0}), IdArray({1}, {id})); }) != "accepted");
  }
  CHECK(gather_rows(T(Shape{0, 3}), IdArray(Shape{0})).shape() == Shape{0, 3});
}

TEST_CASE("a smaller operand repeats over the larger where its sizes are one run of them") {
  const T a({2, 3, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  CHECK((a + T({2}, {10, 20})).values() == std::vector<double>{11, 22, 13, 24, 15, 26, 17, 28, 19, 30, 21, 32});
  CHECK((a + T({3, 1}, {10, 20, 30})).values() == std::vector<double>{11, 12, 23, 24, 35, 36, 17, 18, 29, 30, 41, 42});
  CHECK((a + T({2, 1, 1}, {10, 20})).values() == std::vector<double>{11, 12, 13, 14, 15, 16, 27, 28, 29, 30, 31, 32});
  CHECK((a - T({3, 2}, {1, 2, 3, 4, 5, 6})).values() == std::vector<double>{0, 0, 0, 0, 0, 0, 6, 6, 6, 6, 6, 6});
  CHECK((a * T(Shape{}, 2.0)).values()[11] == 24);
  CHECK((a * T({1, 1}, 2.0)).values()[11] == 24);
  CHECK((T({2, 1}, {1, 2}) + T({1}, {5})).values() == std::vector<double>{6, 7});
}

TEST_CASE("what does not repeat is refused, with both shapes") {
  const T a({2, 3, 4}, 1.0);
  CHECK(refused(ErrorKind::shape, [&] { a + T({3}, 1.0); }) == "+: (3) does not repeat over (2,3,4)");
  CHECK(refused(ErrorKind::shape, [&] { T({4}, 1.0) - a; }) == "-: (2,3,4) does not repeat over (4)");
  CHECK(refused(ErrorKind::shape, [&] { a* T({2, 1, 4}, 1.0); }) == "*: (2,1,4) does not repeat over (2,3,4)");
  CHECK(refused(ErrorKind::shape, [&] { T({2, 1}, 1.0) / T({2, 3}, 1.0); }) == "/: (2,3) does not repeat over (2,1)");
  CHECK(refused(ErrorKind::shape, [&] { swiglu(a, T({5}, 1.0)); }) == "swiglu: (5) does not repeat over (2,3,4)");
}

TEST_CASE("shapes that do not fit are refused with the operation's name and the shapes") {
  const T m({3, 5}, 1.0);
  CHECK(refused(ErrorKind::shape, [&] { matmul(m, T({16, 16}, 1.0)); }) == "matmul: inner sizes differ: (3,5) · (16,16)");
  CHECK(refused(ErrorKind::shape, [&] {
          matmul_transposed(m, T({16, 16}, 1.0));
        }) == "matmul_transposed: inner sizes differ: (3,5) · (16,16)ᵀ");
  CHECK(refused(ErrorKind::shape, [&] {
          matmul_batched(T({2, 3, 4}, 1.0), T({1, 4, 3}, 1.0));
        }) == "matmul_batched: (2,3,4) and (1,4,3) do not fit");
  CHECK(refused(ErrorKind::shape, [&] { matmul_batched(T({2, 3, 4}, 1.0), T({2, 4, 3}, 1.0), Form::nt); }) != "accepted");
  CHECK(refused(ErrorKind::shape, [&] { layer_norm(m, T({5}, 1.0), T({4}, 1.0)); }) ==
        "layer_norm: gain (5) and bias (4) for (3,5)");
  CHECK(refused(ErrorKind::shape, [&] { rms_norm(m, T({3}, 1.0)); }) == "rms_norm: gain (3) for (3,5)");
  CHECK(refused(ErrorKind::shape, [&] {
          cross_entropy(m, IdArray({2}, {0, 0}));
        }) == "cross_entropy: labels (2) for logits (3,5)");
  CHECK(refused(ErrorKind::shape, [&] { reshape(m, {4, 4}); }) == "reshape: (3,5) to (4,4)");
  CHECK(refused(ErrorKind::shape, [&] { concat_rows(std::vector<T>{m, T({3, 4}, 1.0)}); }) == "concat_rows: (3,4) under (3,5)");
  CHECK(refused(ErrorKind::shape, [&] {
          concat_columns(std::vector<T>{m, T({2, 5}, 1.0)});
        }) == "concat_columns: (2,5) beside (3,5)");
  CHECK(refused(ErrorKind::shape, [&] { concat_rows(std::vector<T>{}); }) == "concat_rows: nothing to join");
  CHECK(refused(ErrorKind::shape, [&] { swap_axes(m, 1); }) == "swap_axes: axes 1 and 2 of (3,5)");
  CHECK(refused(ErrorKind::shape, [&] { mean(T(Shape{0})); }) == "mean: (0) has no elements");
  CHECK(refused(ErrorKind::shape, [&] { argmax(T(Shape{3, 0})); }) == "argmax: (3,0) has empty rows");
  CHECK(refused(ErrorKind::config, [&] { top_k(m, 6); }) == "top_k: the 6 largest of (3,5)");
  CHECK(refused(ErrorKind::config, [&] { top_k(m, 0); }) == "top_k: the 0 largest of (3,5)");
  CHECK(refused(ErrorKind::config, [&] { dropout(m, 1, 0); }) != "accepted");
  CHECK(refused(ErrorKind::config, [&] { dropout(m, -0.1, 0); }) != "accepted");
  CHECK(refused(ErrorKind::shape, [&] {
          scale_blocks(T({2, 3, 4}, 1.0), T({2, 3}, 1.0));
        }) == "scale_blocks: gates (2,3) for (2,3,4)");
}

TEST_CASE("attention refuses sizes that do not fit") {
  const T q({2, 3, 4, 6}, 1.0);
  const auto fits = [&](const T& k, const T& v) { return refused(ErrorKind::shape, [&] { causal_attention(q, k, v, 1); }); };
  CHECK(fits(T({2, 3, 2, 6}, 1.0), T({2, 3, 2, 6}, 1.0)) == "accepted");
  CHECK(fits(T({2, 2, 2, 6}, 1.0), T({2, 2, 2, 6}, 1.0)) ==
        "causal_attention: queries (2,3,4,6), keys (2,2,2,6), values (2,2,2,6) do not fit");
  CHECK(fits(T({2, 3, 3, 6}, 1.0), T({2, 3, 3, 6}, 1.0)) != "accepted");
  CHECK(fits(T({1, 3, 2, 6}, 1.0), T({1, 3, 2, 6}, 1.0)) != "accepted");
  CHECK(fits(T({2, 3, 2, 5}, 1.0), T({2, 3, 2, 5}, 1.0)) != "accepted");
  CHECK(fits(T({2, 3, 2, 6}, 1.0), T({2, 3, 2, 5}, 1.0)) != "accepted");
  CHECK(refused(ErrorKind::shape, [&] { causal_attention(q, q, q, 1, IdArray({1}, {0})); }) ==
        "causal_attention: 1 ranges for 2 sequences");
}

TEST_CASE("grouped products refuse offsets that leave the rows or run backwards") {
  const T x({4, 2}, 1.0), w({2, 2, 3}, 1.0);
  const auto offsets = [&](const std::vector<Index>& o) { return refused(ErrorKind::shape, [&] { grouped_matmul(x, w, o); }); };
  CHECK(offsets({0, 1, 4}) == "accepted");
  CHECK(offsets({0, 1, 5}) == "grouped_matmul: (4,2) · (2,2,3) in 2 groups");
  CHECK(offsets({0, 4}) != "accepted");
  CHECK(offsets({0, 6, 4}) != "accepted");
  CHECK(offsets({-1, 2, 4}) != "accepted");
}

TEST_CASE("rotary tables refuse odd heads, bases that are not positive and positions beyond the context") {
  CHECK(refused(ErrorKind::config, [] { RotaryTable<B>(4, 3, 100); }) != "accepted");
  CHECK(refused(ErrorKind::config, [] { RotaryTable<B>(4, 4, 0); }) != "accepted");
  const RotaryTable<B> turns(4, 4, 100);
  CHECK(refused(ErrorKind::shape, [&] {
          rotary(T({1, 2, 1, 6}, 1.0), turns, RotaryLayout::halves);
        }) == "rotary: (1,2,1,6) for tables (4,2)");
  CHECK(refused(ErrorKind::index, [&] {
          rotary(T({1, 2, 1, 4}, 1.0), turns, RotaryLayout::halves, 3);
        }) == "rotary: position 4 is beyond the context of 4 tokens");
}

}  // namespace cmoe::refused_test
