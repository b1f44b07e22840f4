// The k-th allocation fails, for every k: what was asked for throws, nothing has changed, and
// asking again gives the bits that it would have given.
#include <filesystem>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <string>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/error.h>
#include <unroll/autograd/parallel.h>
#include <unroll/autograd/random.h>
#include <unroll/autograd/recycled.h>
#include <unroll/nn/nn.h>
#include <unroll/nn/seq2seq.h>
#include <unroll/ops/ops.h>
#include <unroll/optim/optim.h>
#include <unroll/tests/heap/failing_jobs.h>
#include <unroll/tests/nn/made_layers.h>
#include <unroll/tests/support/catch.h>
#include <unroll/train/checkpoint.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

std::string bits_of(const Tensor& tensor) {
  return to_string(tensor.shape()) +
         std::string(static_cast<const char*>(tensor.raw()), tensor.bytes());
}

std::string bits_of(const std::map<std::string, Tensor>& tensors) {
  std::string text;
  for (const auto& [name, tensor] : tensors) text += name + bits_of(tensor);
  return text;
}

struct Model {
  ParameterSet parameters{1};
  std::optional<nn::LSTM> lstm;
  std::optional<nn::Linear> output;
  std::optional<optim::Adam> adam;

  void build() {
    ParameterSet made(1);
    nn::LSTM layers(made.scope("lstm"), 3, 4, {.layers = 2, .bidirectional = true});
    nn::Linear last(made.scope("output"), 8, 5);
    optim::Adam optimizer(made, {.lr = 0.01});
    parameters = std::move(made);
    lstm.emplace(std::move(layers));
    output.emplace(std::move(last));
    adam.emplace(std::move(optimizer));
  }
  std::string state() const {
    std::string text = bits_of(train::values_of(parameters));
    return adam ? text + bits_of(adam->state()) : text;
  }
  Variable loss(Tape& tape) const {
    const Tensor x = random_uniform({3, 2, 3}, 1, -1, 1, Dtype::float32);
    const Tensor targets(Shape{3, 2}, {0, 1, 2, 3, 4, 0});
    const auto run = (*lstm)(tape.input(x), {.lengths = {3, 2}});
    return cross_entropy(dropout((*output)(run.outputs), 0.1), tape.input(targets));
  }
};

std::shared_ptr<Model> made_model() {
  auto model = std::make_shared<Model>();
  model->build();
  return model;
}

std::filesystem::path path_of(const char* name) {
  return std::filesystem::temp_directory_path() / ("unroll_out_of_memory_" + std::string(name));
}

}  // namespace

TEST_CASE("out of memory while a model is built", "[heap]") {
  const int failed = fail_every_allocation([] {
    auto model = std::make_shared<Model>();
    return Job{[=] { model->build(); }, [=] { return model->state(); }};
  });
  CHECK(failed >= 100);
}

TEST_CASE("out of memory while a layer is made", "[heap]") {
  int failed = 0;
  for (const MadeLayer& layer : made_layers()) {
    INFO(layer.name);
    failed += fail_every_allocation([&] {
      auto parameters = std::make_shared<ParameterSet>(1);
      return Job{[&layer, parameters] { layer.make(parameters->scope("net")); },
                 [=] { return bits_of(train::values_of(*parameters)); }};
    });
  }
  CHECK(failed >= 1000);
}

TEST_CASE("out of memory while parameters are converted", "[heap]") {
  const int failed = fail_every_allocation([] {
    auto model = made_model();
    const auto convert = [=] {
      try {  // asks for more than there is, so that no memory waits to be used again
        RecycledMemory::take(std::size_t{1} << 46);
      } catch (const OutOfMemory&) {
      }
      model->parameters.to(Dtype::float64);
    };
    return Job{convert, [=] { return model->state(); }};
  });
  CHECK(failed >= 10);
}

TEST_CASE("out of memory within an optimiser's state", "[heap]") {
  auto other = made_model();
  Tape tape;
  other->adam->step(gradients(other->loss(tape), other->parameters));
  const auto state = other->adam->state();
  int failed = 0;
  failed += fail_every_allocation([&] {
    auto model = made_model();
    return Job{[=, &state] { model->adam->load_state(state); }, [=] { return model->state(); }};
  });
  failed += fail_every_allocation([&] {
    auto model = made_model();
    return Job{[=] {
                 optim::SGD sgd(model->parameters, {.lr = 0.1, .momentum = 0.5});
                 sgd.set_lr(0.2);
                 sgd.load_state(sgd.state());
                 optim::Adam adam(model->parameters, {.amsgrad = true});
                 model->adam = std::move(adam);
               },
               [=] { return model->state(); }};
  });
  CHECK(failed >= 100);
}

TEST_CASE("out of memory within a parallel step", "[heap]") {
  const int failed = fail_every_allocation([] {
    auto model = made_model();
    const auto step = [=] {
      Parallel parallel({.shards = 2, .threads = 1});
      auto found = parallel.gradients(
          model->parameters, [&](Tape& tape, int) { return model->loss(tape); }, 3);
      model->adam->step(found.gradients);
    };
    return Job{step, [=] { return model->state(); }};
  });
  CHECK(failed >= 300);
}

TEST_CASE("the error itself asks for no memory", "[heap]") {
  for (std::uint64_t k = 1; k <= 4; ++k) {
    OutOfMemory caught("none");
    bool failed = false, typed = false;
    {
      const FailingHeap heap(k);
      try {
        blame({"model.cpp", 7}, "outer",
              [] { blame_memory("inner", [] { throw std::bad_alloc(); }); });
      } catch (const OutOfMemory& e) {
        caught = e;
      }
      failed = FailingHeap::failed();
    }
    CHECK(!failed);
    CHECK(std::string(caught.what()) == "model.cpp:7: outer: inner: out of memory");
    {
      const FailingHeap heap(k);
      try {
        blame({"model.cpp", 7}, "function", [] { throw ValueError("x"); });
      } catch (const Error&) {  // the value is wrong, or there is no memory to say so
        typed = true;
      }
    }
    CHECK(typed);
  }
  const OutOfMemory cut(std::string(1000, 'x'));
  CHECK(cut.what() == std::string(511, 'x'));
}

TEST_CASE("out of memory within a training step", "[heap]") {
  for (const bool eager : {false, true}) {
    const int failed = fail_every_allocation([eager] {
      auto model = made_model();
      const auto step = [=] {
        Tape tape({.eager = eager, .seed = 3});
        Gradients found = gradients(model->loss(tape), model->parameters);
        optim::clip_norm(found, 1);
        model->adam->step(found);
      };
      return Job{step, [=] { return model->state(); }};
    });
    CHECK(failed >= 300);
  }
}

TEST_CASE("out of memory while a model is saved leaves the file before", "[heap]") {
  const auto path = path_of("save.safetensors");
  const int failed = fail_every_allocation([path] {
    auto model = made_model();
    train::save_model(path, model->parameters, {{"which", "old"}});
    const std::map<std::string, std::string> metadata{{"which", "new"}};
    return Job{[=] { train::save_model(path, model->parameters, metadata); },
               [=] { return train::load_safetensors(path).metadata.at("which"); }};
  });
  CHECK(failed >= 30);
  std::filesystem::remove(path);
}

TEST_CASE("out of memory while a model is loaded leaves the parameters", "[heap]") {
  const auto path = path_of("load.safetensors");
  auto other = made_model();
  for (const Parameter& p : other->parameters) p.assign(Tensor::full(p.shape(), 0.5));
  train::save_model(path, other->parameters);
  const int failed = fail_every_allocation([path] {
    auto model = made_model();
    return Job{[=] { train::assign_model(model->parameters, train::load_safetensors(path), path); },
               [=] { return model->state(); }};
  });
  CHECK(failed >= 30);
  std::filesystem::remove(path);
}

TEST_CASE("memory that only waits is given back before a tensor goes without", "[heap]") {
  constexpr std::size_t kBytes = std::size_t{3} << 20;
  RecycledMemory::give_back(RecycledMemory::take(kBytes), kBytes);
  const std::size_t idle = RecycledMemory::idle_bytes();
#if !defined(__SANITIZE_ADDRESS__)  // there, nothing waits
  CHECK(idle >= kBytes);
  {
    const FailingHeap heap(1);
    void* const memory = RecycledMemory::take(2 * kBytes);
    CHECK(FailingHeap::failed());
    CHECK(RecycledMemory::idle_bytes() == 0);
    RecycledMemory::give_back(memory, 2 * kBytes);
  }
#endif
  // More than there is: nothing counts as taken, so all that is used again still is.
  for (int i = 0; i < 3; ++i) {
    CHECK_THROWS_AS(RecycledMemory::take(std::size_t{1} << 46), OutOfMemory);
  }
  RecycledMemory::give_back(RecycledMemory::take(kBytes), kBytes);
  CHECK(RecycledMemory::idle_bytes() <= idle + 2 * kBytes);
}

TEST_CASE("out of memory while a sentence is translated", "[heap]") {
  ParameterSet parameters(1);
  const nn::EncoderDecoder<> model(
      parameters.scope("net"),
      {.source_vocabulary = 7, .target_vocabulary = 7, .embedding = 4, .hidden = 4});
  const Tensor source(Shape{2, 3}, {4, 5, 6, 5, 4, 0});
  const int failed = fail_every_allocation([&] {
    auto text = std::make_shared<std::string>();
    const auto translate = [&, text] {
      std::string found;
      for (const auto& hypotheses :
           nn::beam_search(model, source, {.max_length = 4, .beam_size = 2})) {
        for (const std::int32_t token : hypotheses.at(0).tokens) found += std::to_string(token);
        found += ";";
      }
      *text = found;
    };
    return Job{translate, [=] { return *text; }};
  });
  CHECK(failed >= 300);
}
