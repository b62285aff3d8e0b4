#include <doctest/doctest.h>

#include <limits>

#include "cmoe/core/array.hpp"
#include "cmoe/cpu/cpu.hpp"

namespace cmoe::array_test {

using A = Array<Cpu<float>>;

TEST_CASE("a shape knows its sizes, its elements and its rows") {
  const Shape s{2, 3, 4};
  CHECK(s.rank() == 3);
  CHECK(s.size() == 24);
  CHECK(s.rows() == 6);
  CHECK(s.cols() == 4);
  CHECK(s[-1] == 4);
  CHECK(s[-3] == 2);
  CHECK(s.with(-1, 7) == Shape{2, 3, 7});
  CHECK(s.text() == "(2,3,4)");
  CHECK(s != Shape{2, 3});
  CHECK(s != Shape{4, 3, 2});
}

TEST_CASE("a scalar has one element and a size of 0 leaves none") {
  CHECK(Shape{}.size() == 1);
  CHECK(Shape{}.rows() == 1);
  CHECK(Shape{}.cols() == 1);
  CHECK(Shape{}.text() == "()");
  CHECK(Shape{3, 0, 2}.size() == 0);
  CHECK(Shape{3, 0}.rows() == 3);
  CHECK(Shape{3, 0}.cols() == 0);
  CHECK(Shape{0, 3}.with(0, 2).size() == 6);
}

TEST_CASE("shapes that cannot be are refused") {
  CHECK_THROWS_WITH_AS((Shape{2, -1}), "shape: negative size -1", Error);
  CHECK_THROWS_WITH_AS((Shape{1, 1, 1, 1, 1, 1, 1, 1, 1}), "shape: rank above 8", Error);
  CHECK_THROWS_WITH_AS((void)(Shape{2, 3})[2], "shape: axis 2 of (2,3)", Error);
  CHECK_THROWS_WITH_AS((void)(Shape{2, 3})[-3], "shape: axis -3 of (2,3)", Error);
  CHECK_THROWS_AS((void)(Shape{})[0], Error);
  const Index large = std::numeric_limits<Index>::max();
  CHECK_THROWS_AS((Shape{large, 2}), Error);
  CHECK_THROWS_AS((Shape{Index{1} << 32, Index{1} << 32}), Error);
  CHECK(Shape{large, 1, 0}.size() == 0);
}

TEST_CASE("an array holds what it was given") {
  const A a({2, 3}, {1, 2, 3, 4, 5, 6});
  CHECK(a.values() == std::vector<float>{1, 2, 3, 4, 5, 6});
  CHECK(A({3}, 2.5f).values() == std::vector<float>{2.5f, 2.5f, 2.5f});
  CHECK(reinterpret_cast<std::uintptr_t>(a.data()) % 64 == 0);
  CHECK_THROWS_WITH_AS((A({2, 2}, {1, 2, 3})), "array: 3 values for shape (2,2)", Error);
}

TEST_CASE("an array that holds nothing is not one that holds no elements") {
  CHECK_FALSE(static_cast<bool>(A()));
  CHECK(static_cast<bool>(A(Shape{0})));
  CHECK(A(Shape{0, 4}).values().empty());
  CHECK(A().size() == 0);
}

TEST_CASE("reshaping and ranges of rows share the memory, a copy does not") {
  A a({3, 2}, {1, 2, 3, 4, 5, 6});
  CHECK(a.sole_owner());
  const A flat = a.reshape({6}), tail = a.rows(1, 3);
  CHECK_FALSE(a.sole_owner());
  CHECK(tail.values() == std::vector<float>{3, 4, 5, 6});
  CHECK(tail.shape() == Shape{2, 2});
  A fresh = tail.copy();
  CHECK(fresh.sole_owner());
  a.data()[2] = 9;
  CHECK(flat.data()[2] == 9);
  CHECK(tail.data()[0] == 9);
  CHECK(fresh.data()[0] == 3);
  CHECK(tail.rows(1, 2).values() == std::vector<float>{5, 6});
  CHECK(a.rows(3, 3).size() == 0);
  CHECK(A(Shape{0, 2}).rows(0, 0).size() == 0);
}

TEST_CASE("views that leave the array are refused with the shapes") {
  const A a({3, 2}, 0.f);
  CHECK_THROWS_WITH_AS(a.reshape({4}), "reshape: (3,2) to (4)", Error);
  CHECK_THROWS_WITH_AS(a.rows(1, 4), "rows: 1..4 of (3,2)", Error);
  CHECK_THROWS_AS(a.rows(-1, 2), Error);
  CHECK_THROWS_AS(a.rows(2, 1), Error);
  CHECK_THROWS_AS(A(Shape{}).rows(0, 1), Error);
}

TEST_CASE("an array whose bytes cannot be counted or granted is refused before anything is written") {
  CHECK_THROWS_AS(A(Shape{Index{1} << 62}), Error);
  if (!detail::cache_blocks) return;  // the address sanitizer ends the program instead
  CHECK_THROWS_AS(A(Shape{Index{1} << 60}), Error);
  CHECK_THROWS_AS(A(Shape{Index{1} << 50}), Error);
}

TEST_CASE("an error says its kind and writes its parts one after another") {
  try {
    fail(ErrorKind::config, "op: ", 3, " of ", Shape{1, 2}, ' ', true, " ", std::string("text"));
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::config);
    CHECK(std::string(e.what()) == "op: 3 of (1,2) true text");
  }
  CHECK_NOTHROW(check(true, "never"));
}

}  // namespace cmoe::array_test
