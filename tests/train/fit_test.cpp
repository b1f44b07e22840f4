#include <unroll/train/fit.h>

#include <cmath>
#include <csignal>
#include <filesystem>

#include <unroll/autograd/error.h>
#include <unroll/autograd/random.h>
#include <unroll/nn/nn.h>
#include <unroll/ops/ops.h>
#include <unroll/optim/adam.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/train/scratch_directory.h>
#include <unroll/train/checkpoint.h>

using namespace unroll;
using train::Batches;
using train::Examples;

namespace {

/// y = A x for a fixed A, with dropout to make steps random.
struct Problem {
  ParameterSet parameters{3};
  nn::Linear linear{parameters.scope("linear"), 4, 2};
  optim::Adam adam{std::vector<Parameter>(parameters.begin(), parameters.end()), {.lr = 0.02}};
  Tensor inputs = random_normal({40, 4}, 1, 0, 1, Dtype::float32);
  Tensor targets = product(inputs, random_normal({4, 2}, 2, 0, 1, Dtype::float32));

  static Tensor product(const Tensor& a, const Tensor& b) {
    Tape tape;
    return matmul(tape.input(a), tape.input(b)).value();
  }

  Tensor some(const Tensor& of, Examples which) const {
    std::vector<std::int32_t> ids(which.begin(), which.end());
    return nn::gather_rows(of, ids);
  }
  Variable loss(Tape& tape, Examples which) const {
    const Variable x = dropout(tape.input(some(inputs, which)), 0.2);
    return mse_loss(linear(x), tape.input(some(targets, which)), Reduction::sum);
  }
  double error() const {
    double sum = 0;
    for (const double part :
         train::map_batches(train::shuffled_batches(40, 8, 0, 0),
                            [&](Tape&tape, Examples which) { return loss(tape, which).item(); })) {
      sum += part;
    }
    return sum / 40;
  }
  train::Task task() {
    return {.batches = [](int epoch) { return train::shuffled_batches(40, 10, 7, epoch); },
            .loss = [this](Tape& tape, Examples which) { return loss(tape, which); },
            .validate =
                [this] {
                  return train::Score{error(), "validation"};
                }};
  }
  std::vector<float> numbers() const {
    std::vector<float> all;
    for (const Parameter& p : parameters) {
      const auto values = p.value().data<float>();
      all.insert(all.end(), values.begin(), values.end());
    }
    return all;
  }
};

train::FitOptions quiet(int epochs) {
  return {.epochs = epochs, .clip_norm = 5, .parallel = {.shards = 3}, .quiet = true};
}

}  // namespace

TEST_CASE("fit minimises, and leaves the best parameters") {
  Problem p;
  const double before = p.error();
  int saved = 0;
  train::FitOptions options = quiet(12);
  options.improved = [&] { ++saved; };
  const train::FitSummary summary = train::fit(p.parameters, p.adam, p.task(), options);
  CHECK(summary.epochs == 12);
  CHECK(summary.steps == 48);
  CHECK(summary.best_loss < 0.7 * before);
  CHECK(p.error() == summary.best_loss);
  CHECK(saved >= 3);
}

TEST_CASE("one step of fit is the step written by hand") {
  Problem by_fit, by_hand;
  train::Task task = by_fit.task();
  task.batches = [](int) { return Batches{{0, 1, 2, 3, 4, 5, 6}}; };
  task.weight = [](Examples which) { return 2.0 * static_cast<double>(which.size()); };
  task.validate = {};
  train::FitOptions options = quiet(1);
  options.clip_norm = 0;
  options.parallel.shards = 1;
  options.parallel.tape.training = false;
  train::fit(by_fit.parameters, by_fit.adam, task, options);

  Tape tape({.training = false});
  const std::vector<std::size_t> which{0, 1, 2, 3, 4, 5, 6};
  by_hand.adam.step(gradients(by_hand.loss(tape, which) * (1 / 14.0), by_hand.parameters));
  CHECK(by_fit.numbers() == by_hand.numbers());
}

TEST_CASE("a training that is cut off anywhere goes on with the same bits") {
  Problem whole;
  const auto full = train::fit(whole.parameters, whole.adam, whole.task(), quiet(3));
  const train::ScratchDirectory scratch;
  for (int cut = 1; cut < 12; ++cut) {
    const auto path = (scratch.path() / ("cut" + std::to_string(cut))).string();
    train::FitOptions options = quiet(3);
    options.snapshot = path;
    train::FitSummary summary;
    {
      Problem part;
      train::Task task = part.task();
      int steps = 0;
      task.loss = [&](Tape& tape, Examples which) {
        if (which.front() != 1000 && tape.options().training && ++steps == 3 * cut)
          std::raise(SIGINT);
        return part.loss(tape, which);
      };
      options.parallel.threads = 1;
      summary = train::fit(part.parameters, part.adam, task, options);
      CHECK(summary.interrupted);
      CHECK(summary.steps == cut);
    }
    Problem rest;
    summary = train::fit(rest.parameters, rest.adam, rest.task(), options);
    CHECK_FALSE(summary.interrupted);
    CHECK(summary.steps == full.steps);
    CHECK(summary.best_loss == full.best_loss);
    CHECK(summary.last_loss == full.last_loss);
    CHECK(rest.numbers() == whole.numbers());
    CHECK(rest.adam.state().at("linear.weight.exp_avg").data<float>()[0] ==
          whole.adam.state().at("linear.weight.exp_avg").data<float>()[0]);
  }
}

TEST_CASE("fit ends early when the score does not get better") {
  Problem p;
  train::Task task = p.task();
  int calls = 0;
  task.validate = [&] { return train::Score{++calls < 3 ? 1.0 / calls : 1.0, ""}; };
  train::FitOptions options = quiet(50);
  options.patience = 4;
  const auto summary = train::fit(p.parameters, p.adam, task, options);
  CHECK(summary.best_epoch == 2);
  CHECK(summary.epochs == 6);
}

TEST_CASE("learning rates follow the moment") {
  Problem p;
  std::vector<double> rates;
  std::vector<double> epochs;
  train::FitOptions options = quiet(2);
  const auto cosine = train::cosine_rate(0.1, 0.1, 2);
  options.learning_rate = [&](const train::Moment& now) {
    epochs.push_back(now.epoch);
    rates.push_back(cosine(now));
    return rates.back();
  };
  train::fit(p.parameters, p.adam, p.task(), options);
  CHECK(epochs == std::vector<double>{0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75});
  CHECK(rates[0] == Approx(0.05));
  CHECK(rates[4] == Approx(0.1 * (0.1 + 0.9 * 0.5)));
  CHECK(p.adam.lr() == rates[7]);
}

TEST_CASE("fit refuses what it cannot do") {
  Problem p;
  const auto before = p.numbers();
  const train::Task good = p.task();
  CHECK_THROWS_AS(train::fit(p.parameters, p.adam, {}, quiet(1)), ValueError);
  CHECK_THROWS_AS(train::fit(p.parameters, p.adam, good, quiet(0)), ValueError);
  train::FitOptions negative = quiet(1);
  negative.minutes = -1;
  CHECK_THROWS_AS(train::fit(p.parameters, p.adam, good, negative), ValueError);
  train::Task none = good;
  none.batches = [](int) { return Batches{}; };
  CHECK_THROWS_AS(train::fit(p.parameters, p.adam, none, quiet(1)), ValueError);
  none.batches = [](int) { return Batches{{}}; };
  CHECK_THROWS_AS(train::fit(p.parameters, p.adam, none, quiet(1)), ValueError);
  CHECK(p.numbers() == before);
  train::Task bad_score = good;
  bad_score.validate = [] { return train::Score{std::nan(""), ""}; };
  CHECK_THROWS_AS(train::fit(p.parameters, p.adam, bad_score, quiet(1)), NumericError);
  CHECK_THROWS_AS(train::shuffled_batches(3, 0, 0, 0), ValueError);

  const train::ScratchDirectory scratch;
  train::FitOptions options = quiet(1);
  options.snapshot = (scratch.path() / "snapshot").string();
  train::fit(p.parameters, p.adam, good, options);
  options.name = "another";
  CHECK_THROWS_AS(train::fit(p.parameters, p.adam, good, options), ValueError);
  train::save_model(options.snapshot, p.parameters);
  CHECK_THROWS_AS(train::fit(p.parameters, p.adam, good, options), IoError);
}

TEST_CASE("fit does not go on from a snapshot that does not fit, and changes nothing") {
  const train::ScratchDirectory scratch;
  train::FitOptions options = quiet(1);
  options.snapshot = (scratch.path() / "snapshot").string();
  Problem first;
  train::fit(first.parameters, first.adam, first.task(), options);
  const train::Snapshot good = train::load_snapshot(options.snapshot);
  const auto refused = [&](train::Snapshot snapshot) {
    train::save_snapshot(options.snapshot, snapshot);
    Problem p;
    const auto before = p.numbers();
    CHECK_THROWS_AS(train::fit(p.parameters, p.adam, p.task(), options), ValueError);
    CHECK(p.numbers() == before);
    CHECK(p.adam.state().at("step").item() == 0);
  };
  train::Snapshot bad = good;
  bad.parameters.erase("linear.weight");
  refused(bad);
  bad = good;
  bad.best.begin()->second = Tensor(Shape{1});
  refused(bad);
  bad = good;
  bad.optimizer.erase("linear.weight.exp_avg");
  refused(bad);

  bad = good;
  bad.position.epoch = 0;
  bad.position.batch = 4;  // an epoch has 4
  train::save_snapshot(options.snapshot, bad);
  CHECK(contains(thrown_message([&] {
                   Problem p;
                   train::fit(p.parameters, p.adam, p.task(), options);
                 }),
                 "goes on at batch 4 of an epoch; the task's has 4"));
}

TEST_CASE("batches of an epoch hold every example once") {
  for (const int epoch : {0, 1}) {
    std::vector<bool> seen(23);
    for (const auto& batch : train::shuffled_batches(23, 5, 9, epoch)) {
      CHECK(batch.size() <= 5);
      for (const std::size_t i : batch) {
        CHECK_FALSE(seen[i]);
        seen[i] = true;
      }
    }
    CHECK(std::ranges::count(seen, true) == 23);
  }
  CHECK(train::shuffled_batches(23, 5, 9, 0) == train::shuffled_batches(23, 5, 9, 0));
  CHECK(train::shuffled_batches(23, 5, 9, 0) != train::shuffled_batches(23, 5, 9, 1));
  CHECK(train::shuffled_batches(0, 5, 9, 0).empty());
}

TEST_CASE("results per batch come in order, whatever the threads") {
  const Batches batches = train::shuffled_batches(100, 3, 1, 0);
  for (const int threads : {1, 4}) {
    const auto first = train::map_batches(
        batches,
        [](Tape& tape, Examples which) {
          CHECK_FALSE(tape.options().training);
          return tape.constant(static_cast<double>(which.front()), Dtype::float64).item();
        },
        threads);
    for (std::size_t k = 0; k < batches.size(); ++k) {
      CHECK(first[k] == static_cast<double>(batches[k].front()));
    }
  }
}

TEST_CASE("of several batches that fail, the first one's error comes out, whatever the threads") {
  const Batches batches = train::shuffled_batches(100, 1, 1, 0);
  for (const int threads : {1, 2, 4}) {
    std::vector<int> done(100);
    const std::string message = thrown_message([&] {
      train::for_each_batch(
          batches,
          [&](Tape&, Examples which) {
            const auto k = static_cast<std::size_t>(
                std::ranges::find(batches, std::vector<std::size_t>{which.front()}) -
                batches.begin());
            if (k >= 40) throw ValueError("batch " + std::to_string(k));
            done[k] = 1;
          },
          threads);
    });
    CHECK(message == "batch 40");
    CHECK(std::ranges::count(done, 1) == 40);
  }
}
