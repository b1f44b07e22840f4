#include <unroll/nn/carried.h>

#include <unroll/ops/elementwise.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;

namespace {

struct Pair {
  Variable h, c;
};

}  // namespace

TEST_CASE("A carried state outlives its tape's pass, and its rows can be rearranged", "[nn]") {
  Tape tape;
  const Pair state{tape.input(Tensor(Shape{3, 1}, {1.F, 2.F, 3.F})) * 2.0, Variable()};
  const nn::Carried carried(state);
  tape.reset();
  CHECK_FALSE(thrown_message([&] { return state.h.value(); }).empty());
  CHECK(carried.on(tape).h.value().identical(Tensor(Shape{3, 1}, {2.F, 4.F, 6.F})));
  CHECK_FALSE(carried.on(tape).c.defined());
  const std::vector<std::int32_t> rows{2, 0, 2, 1};
  const Pair moved = carried.rows(rows).on(tape);
  CHECK(moved.h.value().identical(Tensor(Shape{4, 1}, {6.F, 2.F, 6.F, 4.F})));
  const std::vector<std::int32_t> outside{3};
  CHECK_THROWS_AS(carried.rows(outside), ValueError);
  CHECK_THROWS_AS(nn::gather_rows(Tensor::scalar(1), rows), ShapeError);
}

TEST_CASE("Carried values fit their form", "[nn]") {
  const std::vector<std::optional<Tensor>> one(1, Tensor(Shape{2, 3})), two(2, Tensor(Shape{2, 3}));
  CHECK(nn::Carried(Pair{}, two).values().size() == 2);
  CHECK(thrown_message([&] { nn::Carried(Pair{}, one); }) ==
        "Carried: got 1 values; expected 2, one for each Variable of the state");
}
