// Parallel: shards on TBB. The only file that knows TBB in autograd/.
#include <unroll/autograd/parallel.h>

#include <fmt/format.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>

#include <exception>
#include <vector>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/error.h>
#include <unroll/autograd/handover.h>
#include <unroll/autograd/non_finite.h>
#include <unroll/autograd/random.h>

namespace unroll {

struct Parallel::Impl {
  ParallelOptions options;
  std::vector<Tape> tapes;
  std::vector<Variable> losses;  ///< of the last gradients, per shard
  oneapi::tbb::task_arena arena;

  /// Calls work(i) for i < count on the arena's threads; rethrows the error of the lowest i.
  template <class Work>
  void for_each(int count, const Work& work) {
    RecycledVector<std::exception_ptr> errors(static_cast<std::size_t>(count));
    const auto loop = [&](const auto& body) {
      arena.execute(
          [&] { oneapi::tbb::parallel_for(0, count, 1, body, oneapi::tbb::simple_partitioner()); });
    };
    handed_over(loop, [&](int i) {
      // Isolated: a thread that waits inside must not start another shard in the middle.
      oneapi::tbb::this_task_arena::isolate([&] {
        try {
          work(i);
        } catch (...) {
          errors[static_cast<std::size_t>(i)] = std::current_exception();
        }
      });
    });
    for (const std::exception_ptr& error : errors) {
      if (error) std::rethrow_exception(error);
    }
  }

  /// Calls work(tape, shard) for every shard.
  template <class Work>
  void for_each_shard(std::uint64_t seed, const Work& work) {
    for_each(options.shards, [&](int shard) {
      Tape& tape = tapes[static_cast<std::size_t>(shard)];
      tape.reset(mix(seed, static_cast<std::uint64_t>(shard)));
      work(tape, shard);
    });
  }

  LossAndGradients gradients(const ParameterSet& parameters, const ShardLoss& loss,
                             std::uint64_t seed);
};

Parallel::Parallel(ParallelOptions options) try : impl_(std::make_unique<Impl>()) {
  constexpr int kMost = 65536;
  if (options.shards < 1 || options.shards > kMost || options.threads < 0 ||
      options.threads > kMost) {
    throw ValueError(fmt::format(
        "Parallel: got {} shards and {} threads; expected 1 to {} shards, and 0 (all) to {} "
        "threads",
        options.shards, options.threads, kMost, kMost));
  }
  impl_->options = options;
  for (int i = 0; i < options.shards; ++i) impl_->tapes.emplace_back(options.tape);
  if (options.threads > 0) {
    impl_->arena.initialize(options.threads);
  } else {
    impl_->arena.initialize();
  }
} catch (const std::bad_alloc&) {
  throw detail::out_of_memory(nullptr, "Parallel");
}

Parallel::~Parallel() = default;
Parallel::Parallel(Parallel&&) noexcept = default;
Parallel& Parallel::operator=(Parallel&&) noexcept = default;

int Parallel::shards() const { return impl_->options.shards; }

void Parallel::run(const std::function<void(Tape& tape, int shard)>& work, std::uint64_t seed) {
  blame_memory("Parallel::run", [&] {
    impl_->losses.clear();
    impl_->for_each_shard(seed, work);
  });
}

LossAndGradients Parallel::gradients(const ParameterSet& parameters, const ShardLoss& loss,
                                     std::uint64_t seed) {
  return blame_memory("Parallel::gradients",
                      [&] { return impl_->gradients(parameters, loss, seed); });
}

LossAndGradients Parallel::Impl::gradients(const ParameterSet& parameters, const ShardLoss& loss,
                                           std::uint64_t seed) {
  struct Part {
    bool used = false;
    double loss = 0;
    Gradients gradients;
  };
  RecycledVector<Part> parts(static_cast<std::size_t>(options.shards));
  losses.assign(parts.size(), Variable());
  for_each_shard(seed, [&](Tape& tape, int shard) {
    const ShardOutput output = loss(tape, shard);
    if (!output.loss.defined()) return;
    losses[static_cast<std::size_t>(shard)] = output.loss;
    Part& part = parts[static_cast<std::size_t>(shard)];
    part.gradients = unroll::gradients(output.loss, parameters, output.also);
    part.loss = output.loss.item();
    part.used = true;
  });

  LossAndGradients total{0, Gradients(parameters)};
  for (const Part& part : parts) total.loss += part.used ? part.loss : 0;
  // Parameters side by side, shards in order: the same additions whatever the thread count.
  for_each(static_cast<int>(parameters.size()), [&](int index) {
    const auto i = static_cast<std::size_t>(index);
    for (Part& part : parts) {
      Gradient* const addend = part.used ? part.gradients.find(i) : nullptr;
      if (addend == nullptr) continue;
      if (total.gradients.find(i) == nullptr) {
        total.gradients.set(i, std::move(*addend));
      } else {
        total.gradients.add(part.gradients, i);
      }
    }
  });
  return total;
}

std::string Parallel::find_non_finite(const ParameterSet& parameters) const {
  return blame_memory("Parallel::find_non_finite", [&] {
    for (const Variable& loss : impl_->losses) {
      if (!loss.defined()) continue;
      std::string found = unroll::find_non_finite(loss, parameters);
      if (!found.empty()) return found;
    }
    return std::string();
  });
}

LossAndGradients parallel_gradients(const ParameterSet& parameters, int shards,
                                    const ShardLoss& loss, ParallelOptions options) {
  options.shards = shards;
  return Parallel(options).gradients(parameters, loss);
}

}  // namespace unroll
