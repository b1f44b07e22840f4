// The k-th allocation fails, for every k: what was asked for throws, nothing has changed, and
// asking again gives the bits that it would have given.
#include <filesystem>
#include <functional>
#include <new>

#include <unroll/autograd/error.h>
#include <unroll/autograd/random.h>
#include <unroll/autograd/recycled.h>
#include <unroll/nn/nn.h>
#include <unroll/nn/seq2seq.h>
#include <unroll/ops/ops.h>
#include <unroll/optim/optim.h>
#include <unroll/tests/heap/failing_heap.h>
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

/// Something to do, and all that it may change as text.
struct Job {
  std::function<void()> run;
  std::function<std::string()> state;
};

#if defined(__SANITIZE_ADDRESS__)
constexpr int kStride = 9;  // a sanitizer makes allocations slow
#else
constexpr int kStride = 1;
#endif

/// Makes the job anew for every k until it runs through. Returns how many allocations it makes.
/// All errors are typed but for so many, of lists that the job itself or a constructor makes.
int fail_every_allocation(const std::function<Job()>& make, int most_untyped = 1) {
  Job right = make();
  const std::string before = right.state();
  right.run();
  const std::string after = right.state();
  std::int64_t live_at_first = 0;
  int tries = 0, untyped = 0;
  for (int k = 1;; k += kStride) {
    const Job job = make();
    std::string message;
    bool thrown = false;
    {
      const FailingHeap heap(static_cast<std::uint64_t>(k));
      try {
        job.run();
      } catch (const Error& error) {
        thrown = true;
        message = error.what();
      } catch (const std::bad_alloc&) {
        thrown = true;
        ++untyped;
      }
    }
    INFO("allocation " << k << ": " << message);
    if (!FailingHeap::failed()) {
      CHECK(job.state() == after);
      CHECK(untyped <= most_untyped);
      return k - 1;
    }
    if (thrown) {
      CHECK(job.state() == before);
      job.run();
    }
    CHECK(job.state() == after);
    if (++tries == 20) live_at_first = live_blocks();
    // Free blocks that wait to be used again come and go; a leak per k would add up.
    if (tries % 100 == 0) CHECK(live_blocks() < live_at_first + 200);
  }
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
  const int failed = fail_every_allocation(
      [] {
        auto model = std::make_shared<Model>();
        return Job{[=] { model->build(); }, [=] { return model->state(); }};
      },
      200);
  CHECK(failed >= 100);
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
    return Job{[=] {
                 train::save_model(path, model->parameters, {{"which", "new"}});
               },
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
