// Lengths and tables of ids: what is refused, and what pads at the ends make.
#include <unroll/nn/lengths.h>

#include <unroll/autograd/error.h>
#include <unroll/nn/ctc_decoding.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using namespace unroll::nn;

TEST_CASE("Tables of ids are int32 [batch, time]", "[nn]") {
  const Tensor ids(Shape{2, 3}, {4, 5, 0, 6, 0, 0});
  CHECK(lengths_of(ids, 0).values() == std::vector<std::int32_t>{2, 1});
  CHECK(time_first(ids).identical(Tensor(Shape{3, 2}, {4, 6, 5, 0, 0, 0})));
  CHECK(columns(ids, 1, 3).identical(Tensor(Shape{2, 2}, {5, 0, 0, 0})));
  const Tensor numbers = ids.to(Dtype::float32), row(Shape{3}, {4, 5, 6});
  CHECK_THROWS_AS(lengths_of(numbers, 0), DtypeError);
  CHECK_THROWS_AS(time_first(numbers), DtypeError);
  CHECK_THROWS_AS(columns(numbers, 0, 1), DtypeError);
  CHECK_THROWS_AS(lengths_of(row, 0), ShapeError);
  CHECK(contains(thrown_message([&] { time_first(row); }), "ids: got shape [3]"));
}

TEST_CASE("Lengths are one per sequence, within its steps, and countable in int32", "[nn]") {
  CHECK_NOTHROW(Lengths{3, 0}.check(2, 3));
  CHECK_THROWS_AS(Lengths(Tensor(Shape{1, 2}, {3, 0})), ShapeError);
  CHECK_THROWS_AS(Lengths({3, 0}).check(3, 3), ShapeError);
  CHECK_THROWS_AS(Lengths({4, 0}).check(2, 3), ValueError);
  CHECK_THROWS_AS(Lengths({-1, 0}).check(2, 3), ValueError);
  CHECK_THROWS_AS(Lengths({1, 1}).check(2, std::int64_t{1} << 30), ShapeError);
  CHECK_THROWS_AS(Lengths().or_full(1, std::int64_t{1} << 31), ShapeError);
  CHECK(Lengths().or_full(2, 3) == std::vector<std::int32_t>{3, 3});
  const Tensor scores = Tensor::full({3, 2, 4}, -1.0);
  const std::string message = thrown_message([&] { ctc_greedy(scores, {.lengths = {3}}); });
  CHECK(contains(message, "ctc_greedy: got 1 lengths for a batch of 2"));
}
