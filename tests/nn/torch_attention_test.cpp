// MultiheadAttention and Transformer layers against PyTorch: values and all gradients in
// attention_cases.json, see make_attention_cases.py.
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <unroll/nn/transformer.h>
#include <unroll/tests/nn/torch_modules.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using unroll::testing::check_results;
using unroll::testing::Sources;
using unroll::testing::sources_on;

namespace {

constexpr std::int64_t kWidth = 4, kHeads = 2, kInner = 5;

nn::Lengths lengths_from(const nlohmann::json& options, const char* name = "lengths") {
  if (options.at(name).is_null()) return {};
  return options.at(name).get<std::vector<std::int32_t>>();
}

/// Fills parameters and inputs, compares the results of `call` and their gradients.
template <class Call>
void check_module(const nlohmann::json& c, const nn::ParameterSet& parameters, double tolerance,
                  Call call) {
  Tape tape;
  Sources sources = sources_on(tape, c, parameters);
  const Variables results = call(tape, sources);
  check_results(tape, c, sources, results, parameters.dtype(), tolerance);
}

void check_attention(const nlohmann::json& c, nn::ParameterSet& parameters, double tolerance) {
  const nlohmann::json& o = c.at("options");
  const nn::MultiheadAttention attention(parameters.scope(), kWidth, kHeads,
                                         {.key_width = o.at("key").get<std::int64_t>(),
                                          .value_width = o.at("value").get<std::int64_t>(),
                                          .bias = o.at("bias").get<bool>(),
                                          .batch_first = o.at("batch_first").get<bool>()});
  check_module(c, parameters, tolerance, [&](Tape& tape, Sources& sources) {
    Variable mask;
    if (!o.at("seen").is_null()) {
      std::vector<std::int32_t> seen;
      for (const auto& row : o.at("seen")) {
        for (const int element : row) seen.push_back(element);
      }
      mask = tape.input(Tensor(Shape{3, 4}, seen).to(Dtype::bool_));
    }
    const auto [output, weights] = attention(
        sources["query"], sources["key"], sources["value"],
        {.key_lengths = lengths_from(o), .mask = mask, .causal = o.at("causal").get<bool>()});
    return Variables{output, weights};
  });
}

nn::TransformerOptions layer_options(const nlohmann::json& o) {
  const bool is_gelu = o.at("activation").get<std::string>() == "gelu";
  return {.heads = kHeads,
          .feedforward = kInner,
          .activation = is_gelu ? nn::TransformerActivation::gelu : nn::TransformerActivation::relu,
          .norm_first = o.at("norm_first").get<bool>(),
          .batch_first = o.at("batch_first").get<bool>()};
}

void check_encoder(const nlohmann::json& c, nn::ParameterSet& parameters, double tolerance) {
  const nlohmann::json& o = c.at("options");
  const nn::TransformerEncoderLayer layer(parameters.scope(), kWidth, layer_options(o));
  check_module(c, parameters, tolerance, [&](Tape&, Sources& sources) {
    return Variables{layer(sources["source"],
                           {.lengths = lengths_from(o), .causal = o.at("causal").get<bool>()})};
  });
}

void check_decoder(const nlohmann::json& c, nn::ParameterSet& parameters, double tolerance) {
  const nlohmann::json& o = c.at("options");
  const nn::TransformerDecoderLayer layer(parameters.scope(), kWidth, layer_options(o));
  check_module(c, parameters, tolerance, [&](Tape&, Sources& sources) {
    return Variables{
        layer(sources["target"], sources["memory"],
              {.lengths = lengths_from(o), .memory_lengths = lengths_from(o, "memory_lengths")})};
  });
}

}  // namespace

TEST_CASE("Attention of many heads and Transformer layers agree with PyTorch", "[nn]") {
  const std::filesystem::path here = __FILE__;
  std::ifstream file(here.parent_path() / "attention_cases.json");
  const nlohmann::json all = nlohmann::json::parse(file);
  REQUIRE(all.at("cases").size() == 11);
  for (const auto& c : all.at("cases")) {
    INFO(c.at("kind").get<std::string>() << ", " << c.at("name").get<std::string>());
    for (const auto& [dtype, tolerance] :
         {std::pair(Dtype::float64, 1e-12), std::pair(Dtype::float32, 1e-5)}) {
      nn::ParameterSet parameters(0, dtype);
      const std::string kind = c.at("kind");
      if (kind == "attention") check_attention(c, parameters, tolerance);
      if (kind == "encoder") check_encoder(c, parameters, tolerance);
      if (kind == "decoder") check_decoder(c, parameters, tolerance);
    }
  }
}
