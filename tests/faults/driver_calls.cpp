// A right call of what has options of its own: optimisers, schedules, fit, metrics, search, text.
#include <unroll/autograd/parallel.h>
#include <unroll/autograd/random.h>
#include <unroll/nn/nn.h>
#include <unroll/ops/ops.h>
#include <unroll/optim/optim.h>
#include <unroll/tests/faults/calls.h>
#include <unroll/text/batches.h>
#include <unroll/text/bpe.h>
#include <unroll/text/vocabulary.h>
#include <unroll/train/confusion_matrix.h>
#include <unroll/train/fit.h>
#include <unroll/train/metrics.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

Argument positive(const char* name, double value) { return number(name, value, finite_positive); }
Argument amount(const char* name, double value) { return number(name, value, finite_not_negative); }
Argument count(const char* name, std::int64_t value, double least, double most = 0x1p63) {
  return whole(name, value, least, most);
}
Argument few(const char* name, std::int64_t value, double least, double most) {
  return whole(name, value, least, most, true);
}

template <class F>
Call plain(const char* function, std::vector<Argument> arguments, F call) {
  return {function, std::move(arguments), call, {}, false};
}

/// One parameter and its gradient, which is all ones.
Gradients some_gradients(World& w) {
  if (w.parameters.size() == 0) w.parameters.create("p", Tensor::full({2}, 0.5));
  Tape tape;
  return gradients(sum(tape.use(w.parameters[0])), w.parameters);
}

template <class Optimizer>
Result after_a_step(World& w, Optimizer optimizer) {
  optimizer.step(some_gradients(w));
  return w.parameters[0].value();
}

/// An optimiser that is there already, with its state.
void make_adam(World& w) {
  some_gradients(w);
  w.make(optim::Adam(w.parameters, {.lr = 0.1}));
  w.own_state = [&w] {
    std::string text;
    for (const auto& [name, tensor] : w.made<optim::Adam>().state()) text += fingerprint(tensor);
    return text + std::to_string(w.made<optim::Adam>().lr());
  };
}

void make_parameter(World& w) { some_gradients(w); }

Call with(void (*prepare)(World&), Call call) {
  call.prepare = prepare;
  return call;
}

template <class Adam>
Call adam_line(const char* name) {
  return with(
      make_parameter,
      plain(name,
            {amount("lr", 0.1), number("beta1", 0.9, fraction), number("beta2", 0.9, fraction),
             positive("eps", 1e-8), amount("weight_decay", 0.1)},
            [](World& w) {
              return after_a_step(w, Adam(w.parameters, {.lr = w.d(0),
                                                         .betas = {w.d(1), w.d(2)},
                                                         .eps = w.d(3),
                                                         .weight_decay = w.d(4)}));
            }));
}

const Line kOptimizers[] = {
    with(make_parameter, plain("SGD",
                               {amount("lr", 0.1), amount("momentum", 0.5),
                                amount("dampening", 0.1), amount("weight_decay", 0.1)},
                               [](World& w) {
                                 return after_a_step(
                                     w, optim::SGD(w.parameters, {.lr = w.d(0),
                                                                  .momentum = w.d(1),
                                                                  .dampening = w.d(2),
                                                                  .weight_decay = w.d(3)}));
                               })),
    adam_line<optim::Adam>("Adam"),
    adam_line<optim::AdamW>("AdamW"),
    with(make_adam, plain("Adam::set_lr", {amount("lr", 0.2)},
                          [](World& w) {
                            w.made<optim::Adam>().set_lr(w.d(0));
                            return Result(w.made<optim::Adam>().lr());
                          })),
    with(make_adam,
         plain("Adam::step", {number("factor", 2, [](double x) { return std::isfinite(x); })},
               [](World& w) {
                 Gradients found = some_gradients(w);
                 found.scale(w.d(0));
                 w.made<optim::Adam>().step(found);
                 return Result();
               })),
    with(make_parameter, plain("clip_norm", {number("max_norm", 0.5, not_negative)},
                               [](World& w) {
                                 Gradients found = some_gradients(w);
                                 return Result(optim::clip_norm(found, w.d(0)));
                               })),
    with(make_parameter, plain("clip_value", {number("limit", 0.5, not_negative)},
                               [](World& w) {
                                 Gradients found = some_gradients(w);
                                 optim::clip_value(found, w.d(0));
                                 return Result(found[w.parameters[0]]);
                               })),
};

const Line kSchedules[] = {
    plain("ConstantLR", {amount("lr", 0.1), count("step", 3, 0)},
          [](World& w) { return Result(optim::ConstantLR{.lr = w.d(0)}(w.n(1))); }),
    plain("StepLR",
          {amount("lr", 0.1), count("step_size", 2, 1), amount("gamma", 0.5), count("step", 3, 0)},
          [](World& w) {
            return Result(
                optim::StepLR{.lr = w.d(0), .step_size = w.n(1), .gamma = w.d(2)}(w.n(3)));
          }),
    plain("ExponentialLR", {amount("lr", 0.1), amount("gamma", 0.5), count("step", 3, 0)},
          [](World& w) {
            return Result(optim::ExponentialLR{.lr = w.d(0), .gamma = w.d(1)}(w.n(2)));
          }),
    plain("CosineLR",
          {amount("lr", 0.1), count("steps", 5, 1), amount("minimum", 0.01), count("step", 3, 0)},
          [](World& w) {
            return Result(
                optim::CosineLR{.lr = w.d(0), .steps = w.n(1), .minimum = w.d(2)}(w.n(3)));
          }),
    plain("InverseSquareRootLR", {amount("lr", 0.1), count("offset", 5, 1), count("step", 3, 0)},
          [](World& w) {
            return Result(optim::InverseSquareRootLR{.lr = w.d(0), .offset = w.n(1)}(w.n(2)));
          }),
    plain("WarmUp", {count("steps", 5, 0), amount("start_factor", 0.1), count("step", 3, 0)},
          [](World& w) {
            return Result(optim::WarmUp{.steps = w.n(0), .start_factor = w.d(1)}(w.n(2)));
          }),
    plain("ReduceOnPlateau",
          {amount("lr", 0.1), number("factor", 0.5, fraction), count("patience", 2, 0),
           amount("threshold", 0.1), count("cooldown", 1, 0), amount("min_lr", 0.01),
           amount("eps", 1e-8)},
          [](World& w) {
            optim::ReduceOnPlateau plateau({.lr = w.d(0),
                                            .factor = w.d(1),
                                            .patience = w.n(2),
                                            .threshold = w.d(3),
                                            .cooldown = w.n(4),
                                            .min_lr = w.d(5),
                                            .eps = w.d(6)});
            return Result(plateau.step(1));
          }),
    plain("cosine_rate", {amount("peak", 0.1), amount("last", 0.05), count("warmup", 3, 0)},
          [](World& w) {
            return Result(train::cosine_rate(w.d(0), w.d(1), w.n(2))({.step = 2, .fraction = 0.5}));
          }),
    plain("inverse_sigmoid_schedule", {number("k", 5, [](double k) { return k >= 1; })},
          [](World& w) { return Result(nn::inverse_sigmoid_schedule(3, w.d(0))); }),
};

const Line kTraining[] = {
    with(make_parameter,
         plain("fit",
               {few("epochs", 1, 1, 3e9), few("patience", 0, 0, 3e9),
                number("minutes", 0, not_negative), number("clip_norm", 1, not_negative),
                number("snapshot_minutes", 0, not_negative), few("most_skipped", 3, 0, 3e9)},
               [](World& w) {
                 optim::SGD sgd(w.parameters, {.lr = 0.1});
                 const train::Task task{
                     .batches = [](int) { return train::Batches{{0}}; },
                     .loss = [&](Tape& tape,
                                 train::Examples) { return sum(tape.use(w.parameters[0])); }};
                 train::fit(w.parameters, sgd, task,
                            {.epochs = w.i(0),
                             .minutes = w.d(2),
                             .most_skipped = w.i(5),
                             .clip_norm = w.d(3),
                             .patience = w.i(1),
                             .parallel = {.shards = 1, .threads = 1},
                             .snapshot_minutes = w.d(4),
                             .quiet = true});
                 return Result();
               })),
    plain(
        "Parallel", {few("shards", 2, 1, 65536), few("threads", 1, 0, 65536)},
        [](World& w) { return Result(Parallel({.shards = w.i(0), .threads = w.i(1)}).shards()); }),
    plain("Accuracy", {few("top", 1, 1, 3e9)},
          [](World& w) {
            train::Accuracy accuracy({.top = w.i(0)});
            accuracy.add(Tensor(Shape{1, 2}, {1.0f, 2.0f}), Tensor(Shape{1}, {1}));
            return Result(accuracy.value());
          }),
    plain("Accuracy", {few("target", 1, 0, 1)},
          [](World& w) {
            train::Accuracy accuracy;
            accuracy.add(Tensor(Shape{1, 2}, {1.0f, 2.0f}), Tensor(Shape{1}, {w.i(0)}));
            return Result(accuracy.value());
          }),
    plain("ConfusionMatrix", {count("classes", 3, 1, 65536)},
          [](World& w) {
            return Result(static_cast<double>(train::ConfusionMatrix(w.n(0)).classes()));
          }),
    plain("ConfusionMatrix", {count("target", 1, 0, 2), count("predicted", 1, 0, 2)},
          [](World& w) {
            return Result(static_cast<double>(train::ConfusionMatrix(3).count(w.n(0), w.n(1))));
          }),
    plain("Perplexity", {count("tokens", 3, 0)},
          [](World& w) {
            train::Perplexity perplexity;
            perplexity.add(1, w.n(0));
            return Result(perplexity.value());
          }),
};

/// A model of 5 tokens that says the same whatever it is asked.
nn::StepScores step_scores(std::span<const std::int32_t> ids, std::span<const std::int32_t>) {
  const auto n = static_cast<std::int64_t>(ids.size());
  Tensor scores(Shape{n, 5});
  float next = -1;
  for (float& x : scores.mutable_data<float>()) x = next -= 0.25f;
  return {scores, Tensor()};
}

Result tokens_of(const std::vector<std::vector<nn::Hypothesis>>& found) {
  double total = 0;
  for (const auto& hypotheses : found) total += hypotheses.at(0).score;
  return total;
}

const Line kSearch[] = {
    plain("decoding",
          {count("sentences", 2, 0, 0x1p31 - 1), count("max_length", 4, 0),
           count("min_length", 1, 0), few("no_repeat_ngram", 2, 0, 3e9)},
          [](World& w) {
            const auto found =
                nn::greedy(step_scores, w.n(0),
                           {.max_length = w.n(1), .min_length = w.n(2), .no_repeat_ngram = w.i(3)});
            return Result(found.at(0).score);
          }),
    plain("beam_search", {few("beam_size", 3, 2, 3e9), few("n_best", 2, 1, 3)},
          [](World& w) {
            return tokens_of(nn::beam_search(
                step_scores, 1, {.max_length = 3, .beam_size = w.i(0), .n_best = w.i(1)}));
          }),
    plain("sample",
          {few("n_best", 2, 1, 3e9), number("temperature", 0.5, finite_not_negative),
           few("top_k", 3, 0, 3e9), number("top_p", 0.5, [](double p) { return p > 0 && p <= 1; })},
          [](World& w) {
            return tokens_of(nn::sample(step_scores, 1,
                                        {.max_length = 3,
                                         .n_best = w.i(0),
                                         .temperature = w.d(1),
                                         .top_k = w.i(2),
                                         .top_p = w.d(3)}));
          }),
    plain("ctc_beam_search",
          {few("beam_size", 3, 2, 3e9), few("n_best", 2, 1, 3), few("blank", 0, 0, 3),
           few("length", 3, 0, 3)},
          [](World& w) {
            const Tensor x = random_uniform({3, 1, 4}, 1, -3, -1, Dtype::float32);
            const auto found = nn::ctc_beam_search(
                x, {.lengths = {w.i(3)}, .blank = w.i(2), .beam_size = w.i(0), .n_best = w.i(1)});
            return Result(found.at(0).at(0).log_probability);
          }),
    plain("ctc_greedy", {few("blank", 0, 0, 3), few("length", 3, 0, 3)},
          [](World& w) {
            const Tensor x = random_uniform({3, 1, 4}, 1, -3, -1, Dtype::float32);
            return Result(
                nn::ctc_greedy(x, {.lengths = {w.i(1)}, .blank = w.i(0)}).at(0).log_probability);
          }),
};

const std::vector<std::vector<std::int32_t>> kSentences{{4, 5, 6}, {7}};

const Line kText[] = {
    plain("Bpe::learn", {few("merges", 3, 0, 3e9)},
          [](World& w) {
            const auto bpe = text::Bpe::learn({{"lower", 5}, {"low", 7}}, w.i(0));
            return Result(static_cast<double>(bpe.merges().size()));
          }),
    plain("Bpe::learn", {count("count", 3, 0)},
          [](World& w) {
            const auto bpe = text::Bpe::learn({{"lower", w.n(0)}, {"low", 7}}, 3);
            return Result(static_cast<double>(bpe.merges().size()));
          }),
    plain("Vocabulary", {few("id", 2, 0, 4)},
          [](World& w) {
            const text::Vocabulary vocabulary({"word"});
            return Result(static_cast<double>(vocabulary.token(w.i(0)).size()));
          }),
    plain("Vocabulary", {few("id", 4, 0, 4)},
          [](World& w) {
            const text::Vocabulary vocabulary({"word"});
            return Result(static_cast<double>(vocabulary.decode({w.i(0)}).size()));
          }),
    plain(
        "make_batches", {count("max_tokens", 5, 1), few("length", 3, 0, 3e9)},
        [](World& w) {
          const auto batches = text::make_batches({{w.i(1), 1}, {2, 3}}, {.max_tokens = w.n(0)}, 0);
          return Result(static_cast<double>(batches.size()));
        }),
    plain("padded", {count("position", 1, -0x1p63, 1)},
          [](World& w) {
            const std::vector<std::size_t> positions{0, static_cast<std::size_t>(w.n(0))};
            return Result(text::padded(kSentences, positions).ids);
          }),
    plain("gather_rows", {few("row", 1, 0, 2)},
          [](World& w) {
            const std::vector<std::int32_t> rows{0, w.i(0)};
            return Result(nn::gather_rows(Tensor::full({3, 2}, 1), rows));
          }),
    plain("length", {few("length", 1, 0, 3)},
          [](World& w) { return Result(nn::length_mask({w.i(0)}, 3)); }),
    plain("columns", {count("begin", 1, 0, 2), count("end", 2, 1, 3)},
          [](World& w) {
            return Result(nn::columns(Tensor(Shape{2, 3}, Dtype::int32), w.n(0), w.n(1)));
          }),
    plain("sinusoidal_positions", {count("first", 1, 0, 0x1p53)},
          [](World& w) { return Result(nn::sinusoidal_positions(2, 4, w.n(0))); }),
};

}  // namespace
