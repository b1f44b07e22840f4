// MultiheadAttention and Transformer layers against PyTorch: values and all gradients in
// attention_cases.json, see make_attention_cases.py.
#include <string>
#include <vector>

#include <unroll/nn/transformer.h>
#include <unroll/tests/nn/torch_modules.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using unroll::testing::check_results;
using unroll::testing::laid_out;
using unroll::testing::Sources;
using unroll::testing::sources_on;

namespace {

nn::Lengths lengths_from(const nlohmann::json& options, const char* name = "lengths") {
  if (options.at(name).is_null()) return {};
  return options.at(name).get<std::vector<std::int32_t>>();
}

/// One way to run a case: the parameters are made in `parameters`, and the inputs of `call` are
/// laid out as the layer wants them.
struct Run {
  const nlohmann::json& c;
  nn::ParameterSet& parameters;
  bool batch_first;

  std::int64_t size(const char* name) const { return c.at("sizes").at(name).get<std::int64_t>(); }
  const nlohmann::json& option(const char* name) const { return c.at("options").at(name); }
  nn::Lengths lengths(const char* name = "lengths") const {
    return lengths_from(c.at("options"), name);
  }

  /// A mask of the case, undefined if it has none.
  Variable mask(Tape& tape, const char* name) const {
    if (option(name).is_null()) return {};
    std::vector<std::int32_t> seen;
    for (const auto& row : option(name)) {
      for (const int element : row) seen.push_back(element);
    }
    const auto rows = static_cast<std::int64_t>(option(name).size());
    return reshape(tape.input(Tensor(Shape{std::int64_t(seen.size())}, seen).to(Dtype::bool_)),
                   {rows, -1});
  }

  /// Compares the results of `call`, the first of which is a batch of sequences.
  template <class Call>
  void check(Call call) const {
    Tape tape;
    const Sources sources = sources_on(tape, c, parameters);
    Sources inputs;
    for (const char* name : {"query", "key", "value", "source", "target", "memory"}) {
      if (sources.contains(name)) inputs[name] = laid_out(sources.at(name), batch_first);
    }
    Variables results = call(tape, inputs);
    results[0] = laid_out(results[0], batch_first);
    check_results(tape, c, sources, results, parameters.dtype(), double(size("source")));
  }
};

void check_attention(const Run& run) {
  const nn::MultiheadAttention attention(run.parameters.scope(), run.size("width"),
                                         run.size("heads"),
                                         {.key_width = run.option("key").get<std::int64_t>(),
                                          .value_width = run.option("value").get<std::int64_t>(),
                                          .bias = run.option("bias").get<bool>(),
                                          .batch_first = run.batch_first});
  run.check([&](Tape& tape, Sources& x) {
    const auto [output, weights] = attention(x["query"], x["key"], x["value"],
                                             {.key_lengths = run.lengths(),
                                              .mask = run.mask(tape, "seen"),
                                              .causal = run.option("causal").get<bool>()});
    return Variables{output, weights};
  });
}

nn::TransformerOptions layer_options(const Run& run, bool gelu) {
  return {.heads = run.size("heads"),
          .feedforward = run.size("inner"),
          .activation = gelu ? nn::TransformerActivation::gelu : nn::TransformerActivation::relu,
          .norm_first = run.option("norm_first").get<bool>(),
          .batch_first = run.batch_first};
}

void check_encoder(const Run& run) {
  const nn::TransformerEncoderLayer layer(run.parameters.scope(), run.size("width"),
                                          layer_options(run, run.option("activation") == "gelu"));
  run.check([&](Tape&, Sources& x) {
    return Variables{
        layer(x["source"], {.lengths = run.lengths(), .causal = run.option("causal").get<bool>()})};
  });
}

void check_decoder(const Run& run) {
  const nn::TransformerDecoderLayer layer(run.parameters.scope(), run.size("width"),
                                          layer_options(run, run.option("activation") == "gelu"));
  run.check([&](Tape& tape, Sources& x) {
    return Variables{layer(x["target"], x["memory"],
                           {.lengths = run.lengths(),
                            .memory_lengths = run.lengths("memory_lengths"),
                            .causal = run.option("causal").get<bool>(),
                            .mask = run.mask(tape, "seen"),
                            .memory_mask = run.mask(tape, "memory_seen")})};
  });
}

template <class Stack>
Stack two_layers(const Run& run) {
  return Stack(run.parameters.scope(), 2, run.size("width"),
               {.layer = layer_options(run, false),
                .final_norm = run.option("final_norm").template get<bool>()});
}

void check_encoder_stack(const Run& run) {
  const auto layers = two_layers<nn::TransformerEncoder>(run);
  run.check([&](Tape&, Sources& x) { return Variables{layers(x["source"])}; });
}

void check_decoder_stack(const Run& run) {
  const auto layers = two_layers<nn::TransformerDecoder>(run);
  run.check([&](Tape&, Sources& x) { return Variables{layers(x["target"], x["memory"])}; });
}

const std::map<std::string, void (*)(const Run&)> kChecks{{"attention", check_attention},
                                                          {"encoder", check_encoder},
                                                          {"decoder", check_decoder},
                                                          {"encoder_stack", check_encoder_stack},
                                                          {"decoder_stack", check_decoder_stack}};

}  // namespace

TEST_CASE("Attention of many heads and Transformer layers agree with PyTorch", "[nn]") {
  const nlohmann::json cases = testing::recorded_cases(__FILE__, "attention_cases.json");
  CHECK(cases.size() == 45);  // each with and without batch_first: 90 calls of PyTorch
  for (const auto& c : cases) {
    INFO(c.at("kind") << " " << c.at("options"));
    for (const Dtype dtype : {Dtype::float64, Dtype::float32}) {
      for (const bool batch_first : {false, true}) {
        INFO(name_of(dtype) << (batch_first ? ", batch first" : ""));
        nn::ParameterSet parameters(0, dtype);
        kChecks.at(c.at("kind"))({c, parameters, batch_first});
      }
    }
  }
}
