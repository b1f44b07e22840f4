// Parameters, their sets and scopes.
#include <unroll/autograd/error.h>
#include <unroll/autograd/parameter.h>
#include <unroll/autograd/random.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;

namespace {

Tensor draw(const Shape& shape, std::uint64_t seed) { return random_uniform(shape, seed); }

}  // namespace

TEST_CASE("creating a parameter registers it under its full name", "[parameter]") {
  ParameterSet set;
  const Scope encoder = set.scope("encoder");
  const Parameter bias = (encoder / "cell").parameter("bias", {4}, draw);
  const Parameter top = set.scope().parameter("scale", {}, draw);
  CHECK(bias.name() == "encoder.cell.bias");
  CHECK(top.name() == "scale");
  CHECK(set.size() == 2);
  CHECK(set.elements() == 5);
  CHECK(set[1] == top);
  CHECK(bias.index() == 0);
  CHECK(set.contains("scale"));
  CHECK(set.at("encoder.cell.bias") == bias);
  CHECK(bias.dtype() == Dtype::float32);
}

TEST_CASE("names are unique, not empty, and misspellings are told", "[parameter]") {
  ParameterSet set;
  set.create("a", Tensor(Shape{1}));
  CHECK_THROWS_AS(set.create("a", Tensor(Shape{1})), ValueError);
  CHECK_THROWS_AS(set.create("", Tensor(Shape{1})), ValueError);
  CHECK(set.size() == 1);
  CHECK_THROWS_AS(set.at("b"), ValueError);
  CHECK(contains(thrown_message([&] { set.at("b"); }), "there are a"));
}

TEST_CASE("initial values depend on the seed and the name, not on the order", "[parameter]") {
  ParameterSet first(1), second(1), other(2);
  const Parameter a = first.scope("x").parameter("a", {8}, draw);
  const Parameter b = first.scope("x").parameter("b", {8}, draw);
  const Parameter b2 = second.scope("x").parameter("b", {8}, draw);
  const Parameter a2 = second.scope("x").parameter("a", {8}, draw);
  CHECK(a.value().identical(a2.value()));
  CHECK(b.value().identical(b2.value()));
  CHECK_FALSE(a.value().identical(b.value()));
  CHECK_FALSE(other.scope("x").parameter("a", {8}, draw).value().identical(a.value()));
}

TEST_CASE("assignment keeps the type and counts versions", "[parameter]") {
  ParameterSet set;
  const Parameter p = set.create("p", Tensor(Shape{2}, {1.0f, 2.0f}));
  const std::uint64_t version = p.version();
  CHECK_THROWS_AS(p.assign(Tensor(Shape{3})), ShapeError);
  CHECK_THROWS_AS(p.assign(Tensor(Shape{2}, Dtype::float64)), DtypeError);
  CHECK(p.version() == version);
  CHECK(p.value().at(1) == 2);
  const Tensor before = p.value();
  p.update<float>()[1] = 9;
  CHECK(p.value().at(1) == 9);
  CHECK(before.at(1) == 2);  // a copy is a copy
  CHECK(p.version() == version + 1);
  p.assign(Tensor(Shape{2}));
  CHECK(p.version() == version + 2);
}

TEST_CASE("a whole set converts to another dtype", "[parameter]") {
  ParameterSet set;
  const Parameter p = set.create("p", Tensor(Shape{2}, {0.5f, 2.0f}));
  set.to(Dtype::float64);
  CHECK(p.dtype() == Dtype::float64);
  CHECK(p.value().at(0) == 0.5);
  CHECK(set.create("q", Tensor(Shape{1})).dtype() == Dtype::float64);
  CHECK_THROWS_AS(set.to(Dtype::int32), DtypeError);
}
