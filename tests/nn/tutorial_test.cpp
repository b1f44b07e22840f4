// The programs of docs/coming-from-*.md with random weights against PyTorch's numbers in
// tutorial_cases.json, see make_tutorial_cases.py. That the pages' own numbers are right is tested
// by tests/pages.
#include <unroll/unroll.h>

#include <filesystem>
#include <fstream>

#include <unroll/tests/ops/torch_cases.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using unroll::testing::check_close;
using unroll::testing::tensor_from;

namespace {

/// A program's parameters, inputs and results, in float64 or float32.
struct Case {
  nlohmann::json record;
  Dtype dtype;
  double tolerance;
  ParameterSet parameters;

  Case(const std::string& name, Dtype of) : dtype(of), parameters(0, of) {
    const std::filesystem::path here = __FILE__;
    std::ifstream file(here.parent_path() / "tutorial_cases.json");
    record = nlohmann::json::parse(file).at("cases").at(name);
    tolerance = dtype == Dtype::float64 ? 1e-11 : 1e-5;
  }

  Tensor input(const std::string& name) const {
    const Tensor value = tensor_from(record.at("inputs").at(name));
    return value.dtype() == Dtype::int32 ? value : value.to(dtype);
  }
  /// Gives the model PyTorch's weights.
  void assign() const {
    REQUIRE(parameters.size() == record.at("parameters").size());
    for (const auto& [name, value] : record.at("parameters").items()) {
      parameters.at(name).assign(tensor_from(value).to(dtype));
    }
  }
  void check(const std::string& name, const Tensor& got) const {
    INFO(name);
    check_close(got, tensor_from(record.at("results").at(name)), tolerance);
  }
  void check(const std::string& name, const std::vector<double>& got) const {
    check(name, Tensor(Shape{static_cast<std::int64_t>(got.size())}, got));
  }
};

/// Values of one shape along a new first axis.
Tensor stacked(const std::vector<Tensor>& values) {
  Tape tape;
  std::vector<Variable> parts;
  for (const Tensor& value : values) parts.push_back(tape.input(value));
  return stack(parts).value();
}

}  // namespace

TEST_CASE("Tutorial: Keras' SimpleRNN and Dense train as PyTorch's with one bias", "[nn]") {
  for (const Dtype dtype : {Dtype::float64, Dtype::float32}) {
    Case c("simple_rnn", dtype);
    const nn::RNN rnn(c.parameters.scope("rnn"), 1, 5, {.batch_first = true});
    const nn::Linear dense(c.parameters.scope("dense"), 5, 1);
    c.assign();
    std::vector<Parameter> trained;
    for (const Parameter& p : c.parameters) {
      if (p.name() != "rnn.bias_hh_l0") trained.push_back(p);
    }
    optim::Adam adam(trained, {.lr = 0.01, .eps = 1e-7});
    const auto predict = [&](Tape& tape) { return dense(rnn(tape.input(c.input("x"))).last[0]); };
    std::vector<double> losses;
    for (int epoch = 0; epoch < 20; ++epoch) {
      Tape tape;
      const Variable loss = mse_loss(predict(tape), tape.input(c.input("y")));
      adam.step(gradients(loss, c.parameters));
      losses.push_back(loss.item());
    }
    c.check("losses", losses);
    Tape tape;
    c.check("predicted", predict(tape).value());
  }
}

TEST_CASE("Tutorial: a state is carried, cut off and reset as in PyTorch", "[nn]") {
  for (const Dtype dtype : {Dtype::float64, Dtype::float32}) {
    Case c("stateful", dtype);
    const nn::RNN rnn(c.parameters.scope("rnn"), 5, 3, {.batch_first = true});
    c.assign();
    optim::SGD sgd(c.parameters, {.lr = 0.1});
    nn::TruncatedBPTT carried(rnn);
    std::vector<double> losses;
    std::vector<Tensor> outputs, states;
    for (int pair = 0; pair < 2; ++pair) {
      carried.reset();
      for (int begin = 0; begin < 8; begin += 4) {
        Tape tape;
        Variable output;
        const auto [loss, grads] = carried.gradients(tape, c.parameters, [&](const auto& state) {
          const Variable chunk = slice(tape.input(c.input("x")), 1, begin, begin + 4);
          const auto run = rnn(chunk, {.initial_state = state});
          output = run.outputs;
          return nn::Truncated{mean(square(run.outputs)), run.last};
        });
        outputs.push_back(output.value());
        sgd.step(grads);
        losses.push_back(loss);
        states.push_back(carried.values().at("0.0").reshaped({1, 2, 3}));
      }
    }
    c.check("losses", losses);
    c.check("outputs", stacked(outputs));
    c.check("states", stacked(states));
  }
}

TEST_CASE("Tutorial: a loop over a sentence, and all its derivatives", "[nn]") {
  for (const Dtype dtype : {Dtype::float64, Dtype::float32}) {
    const Case c("sentence", dtype);
    Tape tape;
    std::map<std::string, Variable> w;
    std::vector<Variable> wrt;
    for (const char* name : {"vectors", "W_xh", "W_hh", "b", "w_y"}) {
      w[name] = tape.input(c.input(name));
      wrt.push_back(w[name]);
    }
    Variable h = tape.constant(0, dtype, {3});
    for (int t = 0; t < 4; ++t) {
      h = tanh(matmul(w["W_xh"], select(w["vectors"], 0, t)) + matmul(w["W_hh"], h) + w["b"]);
    }
    const Variable probability = sigmoid(dot(w["w_y"], h));
    c.check("probability", probability.value());
    const auto slopes = gradients(probability, wrt);
    std::size_t i = 0;
    for (const char* name : {"vectors", "W_xh", "W_hh", "b", "w_y"}) {
      c.check(std::string("d_") + name, slopes[i++].value());
    }
  }
}

TEST_CASE("Tutorial: a tagger of ragged sequences trains as in PyTorch", "[nn]") {
  for (const Dtype dtype : {Dtype::float64, Dtype::float32}) {
    Case c("tagger", dtype);
    const nn::Embedding embedding(c.parameters.scope("embedding"), 6, 4, {.padding_idx = 0});
    const nn::LSTM lstm(c.parameters.scope("lstm"), 4, 3, {.batch_first = true});
    const nn::Linear scores(c.parameters.scope("scores"), 3, 2);
    c.assign();
    const auto model = [&](Tape& tape) {
      const Variable vectors = embedding(tape.input(c.input("ids")));
      return scores(lstm(vectors, {.lengths = c.input("lengths")}).outputs);
    };
    optim::Adam adam(c.parameters, {.lr = 0.1});
    std::vector<double> losses, norms;
    for (int step = 0; step < 10; ++step) {
      Tape tape;
      const Variable loss = cross_entropy(model(tape), tape.input(c.input("tags")));
      Gradients grads = gradients(loss, c.parameters);
      norms.push_back(optim::clip_norm(grads, 0.2));
      adam.step(grads);
      losses.push_back(loss.item());
    }
    c.check("losses", losses);
    c.check("norms", norms);
    Tape tape({.training = false});
    c.check("scores", model(tape).value());
    for (const Parameter& p : c.parameters) c.check("after." + p.name(), p.value());
  }
}

TEST_CASE("Tutorial: both directions of ragged sequences", "[nn]") {
  for (const Dtype dtype : {Dtype::float64, Dtype::float32}) {
    Case c("both_directions", dtype);
    const nn::LSTM lstm(c.parameters.scope("lstm"), 1, 3,
                        {.bidirectional = true, .batch_first = true});
    c.assign();
    Tape tape;
    const auto run = lstm(tape.input(c.input("x")), {.lengths = c.input("lengths")});
    c.check("outputs", run.outputs.value());
    c.check("h", stack({run.last[0].h, run.last[1].h}).value());
    c.check("c", stack({run.last[0].c, run.last[1].c}).value());
  }
}
