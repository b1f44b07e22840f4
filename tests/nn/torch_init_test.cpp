// Initial values against PyTorch's: how they are distributed, see make_init_cases.py.
#include <algorithm>
#include <cmath>

#include <unroll/nn/nn.h>
#include <unroll/tests/nn/torch_modules.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
namespace init = nn::init;

namespace {

init::Initializer initializer(const nlohmann::json& c) {
  const std::string kind = c.at("kind");
  if (kind == "uniform") return init::uniform(c.at("a"), c.at("b"));
  if (kind == "normal") return init::normal(c.at("a"), c.at("b"));
  if (kind == "xavier_uniform") return init::xavier_uniform(c.at("gain"));
  if (kind == "xavier_normal") return init::xavier_normal(c.at("gain"));
  if (kind == "orthogonal") return init::orthogonal(c.at("gain"));
  const std::map<std::string, init::Nonlinearity> nonlinearities{
      {"relu", init::Nonlinearity::relu},
      {"leaky_relu", init::Nonlinearity::leaky_relu},
      {"tanh", init::Nonlinearity::tanh},
      {"linear", init::Nonlinearity::linear}};
  const init::KaimingOptions options{
      .slope = c.at("slope"),
      .mode = c.at("mode") == "fan_in" ? init::FanMode::fan_in : init::FanMode::fan_out,
      .nonlinearity = nonlinearities.at(c.at("nonlinearity"))};
  REQUIRE((kind == "kaiming_uniform" || kind == "kaiming_normal"));
  return kind == "kaiming_uniform" ? init::kaiming_uniform(options) : init::kaiming_normal(options);
}

using MakeLayer = void (*)(const Scope&);
const std::map<std::string, MakeLayer> kLayers{
    {"linear", [](const Scope& scope) { nn::Linear(scope, 90, 70); }},
    {"embedding", [](const Scope& scope) { nn::Embedding(scope, 90, 70); }},
    {"layer_norm", [](const Scope& scope) { nn::LayerNorm(scope, 70); }},
    {"rnn",
     [](const Scope& scope) { nn::RNN(scope, 60, 70, {.layers = 2, .bidirectional = true}); }},
    {"lstm", [](const Scope& scope) { nn::LSTM(scope, 60, 70, {.layers = 2}); }},
    {"lstm_projected", [](const Scope& scope) { nn::LSTM(scope, 60, 70, {}, {.projection = 30}); }},
    {"gru", [](const Scope& scope) { nn::GRU(scope, 60, 70, {.layers = 2}); }},
    {"attention", [](const Scope& scope) { nn::MultiheadAttention(scope, 64, 4); }},
    {"attention_of_widths",
     [](const Scope& scope) {
       nn::MultiheadAttention(scope, 64, 4, {.key_width = 50, .value_width = 40});
     }},
    {"encoder",
     [](const Scope& scope) {
       nn::TransformerEncoderLayer(scope, 64, {.heads = 4, .feedforward = 100});
     }},
    {"decoder", [](const Scope& scope) {
       nn::TransformerDecoderLayer(scope, 64, {.heads = 4, .feedforward = 100});
     }}};

/// Is `x` a sample of what PyTorch's sample of the same size came from? At each of its deciles our
/// share must be right within 4.5 deviations, and a few values only may be outside its range.
void check_distribution(const Tensor& x, const std::vector<double>& quantiles) {
  const auto n = static_cast<double>(x.size());
  const auto at_most = [&](double bound) {
    double count = 0;
    for (std::int64_t i = 0; i < x.size(); ++i) count += x.at(i) <= bound ? 1 : 0;
    return count;
  };
  if (quantiles.front() == quantiles.back()) {
    CHECK(x.identical(Tensor::full(x.shape(), quantiles.front(), x.dtype())));
    return;
  }
  for (std::size_t k = 1; k < 10; ++k) {
    INFO("decile " << k);
    const double p = static_cast<double>(k) / 10;
    CHECK(std::abs(at_most(quantiles[k]) / n - p) < 4.5 * std::sqrt(p * (1 - p) * 2 / n));
  }
  CHECK(at_most(quantiles.front()) < 16);
  CHECK(n - at_most(quantiles.back()) < 16);
}

}  // namespace

TEST_CASE("First values are distributed as PyTorch's", "[nn]") {
  const nlohmann::json cases = testing::recorded_cases(__FILE__, "init_cases.json");
  CHECK(cases.size() == 123);
  std::map<std::string, ParameterSet> layers;
  std::map<std::string, std::size_t> parameters;
  std::uint64_t seed = 0;
  for (const auto& c : cases) {
    const std::string kind = c.at("kind");
    INFO(kind << " " << c.value("parameter", ""));
    const Shape shape(c.at("shape").get<std::vector<std::int64_t>>());
    if (!kLayers.contains(kind)) {
      check_distribution(initializer(c)(shape, ++seed), c.at("quantiles"));
      continue;
    }
    if (!layers.contains(kind)) {
      kLayers.at(kind)(layers.try_emplace(kind, 5, Dtype::float64).first->second.scope());
    }
    const Tensor x = layers.at(kind).at(c.at("parameter").get<std::string>()).value();
    CHECK(x.shape() == shape);
    check_distribution(x, c.at("quantiles"));
    ++parameters[kind];
  }
  CHECK(layers.size() == kLayers.size());
  for (const auto& [kind, set] : layers) CHECK(parameters[kind] == set.size());
}
