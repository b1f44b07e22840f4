// Linear and Embedding.
#include <unroll/autograd/error.h>
#include <unroll/autograd/gradcheck.h>
#include <unroll/autograd/gradients.h>
#include <unroll/nn/embedding.h>
#include <unroll/nn/linear.h>
#include <unroll/ops/reductions.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/samples.h>

using namespace unroll;

TEST_CASE("Linear has PyTorch's parameters and computes x W^T + b", "[nn]") {
  nn::ParameterSet parameters;
  const nn::Linear layer(parameters.scope("fc"), 3, 2);
  const nn::Linear plain(parameters.scope("plain"), 3, 2, {.bias = false});
  REQUIRE(parameters.size() == 3);
  CHECK(parameters.at("fc.weight").shape() == Shape{2, 3});
  CHECK(parameters.at("fc.bias").shape() == Shape{2});
  CHECK(parameters.at("plain.weight").shape() == Shape{2, 3});
  layer.weight.assign(Tensor(Shape{2, 3}, {1.F, 2.F, 3.F, 4.F, 5.F, 6.F}));
  plain.weight.assign(layer.weight.value());
  layer.bias.assign(Tensor(Shape{2}, {0.5F, -0.5F}));
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{1, 1, 3}, {1.F, 0.F, -1.F}));
  CHECK(layer(x).value().identical(Tensor(Shape{1, 1, 2}, {-1.5F, -2.5F})));
  CHECK(plain(x).value().identical(Tensor(Shape{1, 1, 2}, {-2.F, -2.F})));
  const Variable wrong = tape.input(Tensor(Shape{1, 4}));
  const std::string message = thrown_message([&] { return layer(wrong); });
  CHECK(contains(message, "layers_test.cpp:"));
  CHECK_THROWS_AS(layer(wrong), ShapeError);
}

TEST_CASE("Linear: gradients", "[nn]") {
  nn::ParameterSet parameters(1, Dtype::float64);
  const nn::Linear layer(parameters.scope("fc"), 3, 2);
  const nn::Linear plain(parameters.scope("plain"), 2, 4, {.bias = false});
  const Tensor x = testing::uniform({5, 3}), c = testing::uniform({5, 4});
  const auto report = gradcheck(
      parameters, [&](Tape& tape) { return sum(plain(layer(tape.input(x))) * tape.input(c)); });
  INFO(report.message);
  CHECK(report.ok);
}

TEST_CASE("Linear with an embedding's matrix: one parameter, both gradients", "[nn]") {
  nn::ParameterSet parameters(1, Dtype::float64);
  const nn::Embedding embedding(parameters.scope("words"), 4, 3);
  const nn::Linear scores(parameters.scope("scores"), embedding.weight);
  const nn::Linear plain(parameters.scope("plain"), embedding.weight, {.bias = false});
  REQUIRE(parameters.size() == 2);
  CHECK(scores.weight == embedding.weight);
  CHECK(parameters.at("scores.bias").value().identical(Tensor(Shape{4}, Dtype::float64)));
  const Tensor c = testing::uniform({2, 4});
  const auto report = gradcheck(parameters, [&](Tape& tape) {
    const Variable x = embedding(tape.input(Tensor(Shape{2}, {3, 1})));
    return sum((scores(x) + plain(x)) * tape.input(c));
  });
  INFO(report.message);
  CHECK(report.ok);
  CHECK_THROWS_AS(nn::Linear(parameters.scope("other"), parameters.at("scores.bias")), ShapeError);
  CHECK_THROWS_AS(nn::Linear(parameters.scope("other"), nn::Parameter()), StateError);
  CHECK(parameters.size() == 2);
}

TEST_CASE("Embedding looks rows up; a wrong id is named with the caller's line", "[nn]") {
  nn::ParameterSet parameters;
  const nn::Embedding embedding(parameters.scope("e"), 4, 2);
  CHECK(parameters.at("e.weight").shape() == Shape{4, 2});
  Tape tape;
  const Variable ids = tape.input(Tensor(Shape{1, 2}, {3, 0}));
  const Tensor found = embedding(ids).value(), table = embedding.weight.value();
  REQUIRE(found.shape() == Shape{1, 2, 2});
  CHECK(found.at(0) == table.at(6));
  CHECK(found.at(3) == table.at(1));
  const Variable wrong = tape.input(Tensor(Shape{1}, {4}));
  const std::string message = thrown_message([&] { return embedding(wrong).value(); });
  CHECK(contains(message, "layers_test.cpp:"));
  CHECK(contains(message, "4"));
}

TEST_CASE("Embedding: the padding row is zero and stays without gradient", "[nn]") {
  nn::ParameterSet parameters;
  const nn::Embedding embedding(parameters.scope("e"), 3, 2, {.padding_idx = 1});
  Tape tape;
  const Variable ids = tape.input(Tensor(Shape{3}, {0, 1, 1}));
  const Variable y = embedding(ids);
  CHECK(y.value().at(2) == 0);
  CHECK(y.value().at(3) == 0);
  const Tensor g = gradients(sum(y), parameters)[embedding.weight];
  CHECK(g.identical(Tensor(Shape{3, 2}, {1.F, 1.F, 0.F, 0.F, 0.F, 0.F})));
  CHECK_THROWS_AS(nn::Embedding(parameters.scope("f"), 3, 2, {.padding_idx = 3}), ValueError);
  CHECK_FALSE(parameters.contains("f.weight"));
}
