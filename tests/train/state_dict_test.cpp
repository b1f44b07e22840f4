// state_dict of PyTorch and back: a file that it wrote, see make_state_dict.py, and what does not
// fit.
#include <unroll/train/state_dict.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include <unroll/autograd/error.h>
#include <unroll/nn/nn.h>
#include <unroll/tests/support/catch.h>
#include <unroll/train/checkpoint.h>
#include <unroll/train/safetensors.h>

using namespace unroll;
using namespace unroll::train;

namespace {

std::filesystem::path beside(const char* file) {
  return std::filesystem::path(__FILE__).parent_path() / file;
}

/// The model of make_state_dict.py.
struct Model {
  nn::RNN rnn;
  nn::LSTM lstm;
  nn::GRU gru, unbiased_rnn;
  nn::Linear linear, unbiased;
  nn::Embedding embedding;
  nn::LayerNorm norm;
  nn::MultiheadAttention attention, attention_of_widths;
  nn::TransformerEncoder encoder;
  nn::TransformerDecoder decoder;

  explicit Model(const Scope& scope)
      : rnn(scope / "rnn", 3, 2, {.layers = 2}, {.activation = nn::RNNActivation::relu}),
        lstm(scope / "lstm", 3, 4, {.layers = 2, .bidirectional = true}, {.projection = 2}),
        gru(scope / "gru", 3, 2, {.layers = 2, .bidirectional = true}),
        unbiased_rnn(scope / "unbiased_rnn", 3, 2, {}, {.weights = {.bias = false}}),
        linear(scope / "linear", 3, 2),
        unbiased(scope / "unbiased", 3, 2, {.bias = false}),
        embedding(scope / "embedding", 5, 3),
        norm(scope / "norm", 3),
        attention(scope / "attention", 4, 2),
        attention_of_widths(scope / "attention_of_widths", 4, 2,
                            {.key_width = 3, .value_width = 2}),
        encoder(scope / "encoder", 2, 4, {.layer = kLayer, .final_norm = true}),
        decoder(scope / "decoder", 1, 4, {.layer = kLayer}) {}

  std::map<std::string, Variable> outputs(Tape& tape, const StateDict& recorded) const {
    const auto x = [&](const std::string& of, int k = 0) {
      return tape.input(recorded.at("input." + of + "." + std::to_string(k)));
    };
    const auto attended = [&](const nn::MultiheadAttention& layer, const std::string& name) {
      return layer(x(name), x(name, 1), x(name, 2)).output;
    };
    return {{"rnn", rnn(x("rnn")).outputs},
            {"lstm", lstm(x("lstm")).outputs},
            {"gru", gru(x("gru")).outputs},
            {"unbiased_rnn", unbiased_rnn(x("unbiased_rnn")).outputs},
            {"linear", linear(x("linear"))},
            {"unbiased", unbiased(x("unbiased"))},
            {"embedding", embedding(x("embedding"))},
            {"norm", norm(x("norm"))},
            {"attention", attended(attention, "attention")},
            {"attention_of_widths", attended(attention_of_widths, "attention_of_widths")},
            {"encoder", encoder(x("encoder"))},
            {"decoder", decoder(x("decoder"), x("decoder", 1), {.causal = false})}};
  }

  static constexpr nn::TransformerOptions kLayer{.heads = 2, .feedforward = 3};
};

/// A set with the parameters "layer.a" [2] and "layer.b" [1, 2].
ParameterSet two(Dtype dtype = Dtype::float32) {
  ParameterSet set(0, dtype);
  set.create("layer.a", Tensor::full(Shape{2}, 1));
  set.create("layer.b", Tensor::full(Shape{1, 2}, 2));
  return set;
}

const Tensor kA(Shape{2}, {5.0f, 6.0f}), kB(Shape{1, 2}, {7.0f, 8.0f});

bool untouched(const ParameterSet& set) {
  return set.at("layer.a").value().at(0) == 1 && set.at("layer.b").value().at(0) == 2;
}

}  // namespace

TEST_CASE("a state_dict of PyTorch gives its outputs, and goes back with the same bytes") {
  const auto path = beside("torch_model.safetensors");
  ParameterSet parameters;
  const Model model(parameters.scope());
  const auto keys = load_state_dict(parameters, load_safetensors(path).tensors);
  CHECK((keys.missing.empty() && keys.unexpected.empty()));

  Tape tape({.training = false});
  const auto recorded = load_safetensors(beside("torch_results.safetensors")).tensors;
  const auto outputs = model.outputs(tape, recorded);
  CHECK(outputs.size() == 12);
  for (const auto& [name, output] : outputs) {
    INFO(name);
    const Tensor got = output.value(), expected = recorded.at("output." + name);
    REQUIRE(got.shape() == expected.shape());
    for (std::int64_t i = 0; i < got.size(); ++i) {
      CHECK(got.at(i) == Approx(expected.at(i)).epsilon(1.3e-6).margin(1e-5));
    }
  }

  std::ifstream file(path, std::ios::binary);
  const std::string theirs(std::istreambuf_iterator<char>(file), {});
  const auto ours = serialize_safetensors({state_dict(parameters), {}});
  CHECK(std::string(reinterpret_cast<const char*>(ours.data()), ours.size()) == theirs);
}

TEST_CASE("what does not fit a state_dict is listed, and nothing is changed") {
  const ParameterSet set = two();
  const StateDict tensors{{"layer.a", Tensor(Shape{3})}, {"layer.c", kA}, {"layer.d", kB}};
  CHECK_THROWS_AS(load_state_dict(set, tensors), ValueError);
  const std::string message = thrown_message([&] { load_state_dict(set, tensors); });
  CHECK(contains(message, "state_dict_test.cpp"));
  CHECK(contains(message, "load_state_dict: "));
  CHECK(contains(message, "missing     layer.b"));
  CHECK(contains(message, "unexpected  layer.c"));
  CHECK(contains(message, "unexpected  layer.d"));
  CHECK(contains(message, "layer.a: float32 [3]; expected float32 [2]"));
  CHECK(untouched(set));
  // As in PyTorch, another shape is an error whether strict or not.
  CHECK_THROWS_AS(load_state_dict(set, {{"layer.a", Tensor(Shape{3})}}, {.strict = false}),
                  ValueError);
  CHECK_THROWS_AS(load_state_dict(set, {{"layer.a", Tensor(Shape{2}, {1, 2})}, {"layer.b", kB}}),
                  ValueError);
  CHECK(untouched(set));
}

TEST_CASE("a state_dict that is not strict tells what it left out") {
  const ParameterSet set = two();
  const auto keys = load_state_dict(set, {{"layer.a", kA}, {"layer.c", kB}}, {.strict = false});
  CHECK(keys.missing == std::vector<std::string>{"layer.b"});
  CHECK(keys.unexpected == std::vector<std::string>{"layer.c"});
  CHECK(set.at("layer.a").value().identical(kA));
  CHECK(set.at("layer.b").value().at(0) == 2);
}

TEST_CASE("a state_dict in another floating dtype is converted") {
  const ParameterSet set = two(Dtype::float64);
  load_state_dict(set, {{"layer.a", kA}, {"layer.b", kB.to(Dtype::float64)}});
  CHECK(set.at("layer.a").value().identical(kA.to(Dtype::float64)));
  CHECK(set.at("layer.b").value().identical(kB.to(Dtype::float64)));
}

TEST_CASE("a state_dict of a model whose parts have other names there") {
  const ParameterSet set = two();
  const StateDictPrefixes prefixes{{"0.", "layer."}, {"1.", "other."}};
  load_state_dict(set, {{"0.a", kA}, {"0.b", kB}}, {.prefixes = prefixes});
  const StateDict back = state_dict(set, prefixes);
  CHECK(back.size() == 2);
  CHECK(back.at("0.a").identical(kA));
  CHECK(back.at("0.b").identical(kB));
  CHECK(state_dict(set, {{"model.", ""}}).contains("model.layer.a"));

  const StateDict colliding{{"0.a", kA}, {"layer.a", kA}};
  CHECK_THROWS_AS(load_state_dict(set, colliding, {.prefixes = prefixes}), ValueError);
  CHECK(contains(thrown_message([&] { load_state_dict(set, colliding, {.prefixes = prefixes}); }),
                 "the prefixes make \"layer.a\" of two names"));
}
