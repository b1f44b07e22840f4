// A layer whose constructor fails half-way leaves no parameter behind.
#include <unroll/autograd/error.h>
#include <unroll/tests/nn/made_layers.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

/// Makes a part, then fails if it is asked to.
struct Composite {
  nn::LSTMCell cell;
  Parameter own;

  Composite(const LayerScope& scope, const char* name)
      : cell(scope / "cell", 3, 4), own(scope.parameter(name, {2}, nn::init::zeros())) {}
};

}  // namespace

TEST_CASE("a layer of which one name is taken leaves no parameter", "[layers]") {
  int failed = 0;
  for (const MadeLayer& layer : made_layers()) {
    INFO(layer.name);
    ParameterSet whole(1);
    layer.make(whole.scope("net"));
    for (const Parameter& taken : whole) {
      INFO(taken.name());
      ParameterSet parameters(1);
      parameters.create("before", Tensor::scalar(2));
      parameters.create(taken.name(), Tensor::scalar(3));
      CHECK_THROWS_AS(layer.make(parameters.scope("net")), ValueError);
      CHECK(parameters.size() == 2);
      CHECK(parameters.contains("before"));
      layer.make(parameters.scope("other"));
      CHECK(parameters.size() == 2 + whole.size());
      ++failed;
    }
  }
  CHECK(failed >= 200);
}

TEST_CASE("a second try in the same scope finds the names free", "[layers]") {
  int left = 0;  // initial values until one fails
  const auto draw = [&](const Shape& shape, std::uint64_t seed) {
    if (left-- == 0) throw ValueError("enough");
    return nn::init::uniform()(shape, seed);
  };
  const nn::GRUCell::Options cell{.weights = {.weight_hh = draw, .bias_hh = draw}};
  const nn::LayerOptions options{.layers = 2, .bidirectional = true};
  ParameterSet whole(1);
  left = -1;
  nn::GRU(whole.scope("net"), 3, 4, options, cell);
  for (int k = 0; k < 8; ++k) {
    ParameterSet parameters(1);
    const Scope scope = parameters.scope("net");
    left = k;
    CHECK_THROWS_AS(nn::GRU(scope, 3, 4, options, cell), ValueError);
    CHECK(parameters.size() == 0);
    left = -1;
    nn::GRU(scope, 3, 4, options, cell);
    REQUIRE(parameters.size() == whole.size());
    for (const Parameter& p : whole) CHECK(p.value().identical(parameters[p.index()].value()));
  }
}

TEST_CASE("a user's layer forgets its parts by taking a LayerScope", "[layers]") {
  ParameterSet parameters;
  const Scope scope = parameters.scope("net");
  CHECK_THROWS_AS(Composite(scope, "cell.bias_hh"), ValueError);
  CHECK(parameters.size() == 0);
  const Composite made(scope, "own");
  CHECK(parameters.size() == 5);
  CHECK_THROWS_AS(Composite(scope, "other"), ValueError);
  CHECK(parameters.size() == 5);
  // What fails and is caught within a constructor leaves the rest.
  struct Falling {
    explicit Falling(const LayerScope& scope) {
      nn::Linear(scope / "first", 2, 2);
      CHECK_THROWS_AS(Composite(scope / "second", "cell.bias_hh"), ValueError);
    }
  };
  Falling fallen(scope / "falling");
  CHECK(parameters.size() == 7);
}

TEST_CASE("what a layer of a failed statement leaves in other hands stays", "[layers]") {
  ParameterSet parameters(1);
  const Scope scope = parameters.scope("net");
  std::vector<nn::Linear> zoo;
  const auto add = [&](const nn::Linear& layer) {
    zoo.push_back(layer);
    throw StateError("full");
  };
  CHECK_THROWS_AS(add(nn::Linear(scope / "first", 2, 2)), StateError);
  CHECK(parameters.size() == 2);
  // A part that is shared, made between parameters of the layer that fails.
  struct Sharing {
    Sharing(const LayerScope& own, std::vector<nn::Linear>& shared) {
      nn::Linear(own / "before", 2, 2);
      shared.emplace_back(Scope(own.set(), "shared"), 3, 3);
      nn::Linear(own / "after", 2, 2);
      throw ValueError("enough");
    }
  };
  CHECK_THROWS_AS(Sharing(scope / "second", zoo), ValueError);
  REQUIRE(parameters.size() == 4);
  for (std::size_t i = 0; i < parameters.size(); ++i) CHECK(parameters[i].index() == i);
  CHECK(parameters[2].name() == "shared.weight");
  CHECK(zoo[1].weight == parameters[2]);
}
