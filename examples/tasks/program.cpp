// The command line and the training of the programs of this folder.
#include <unroll/examples/tasks/program.h>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <exception>
#include <filesystem>

#include <unroll/optim/adam.h>
#include <unroll/train/checkpoint.h>
#include <unroll/train/progress.h>

namespace unroll::tasks {

namespace {

void add_common(CLI::App& app, Settings& s) {
  app.add_option("--model", s.model, "the model's file")->capture_default_str();
  app.add_option("--data", s.data, "what to learn from; default: made by the program");
  app.add_option("--valid", s.valid, "what chooses the best epoch; default: a part of --data");
  app.add_option("--test", s.test, "what is scored");
  app.add_option("--threads", s.threads, "0: all cores; results do not depend on it")
      ->check(CLI::Range(0, 1024));
  app.add_option("--seed", s.seed, "of everything random")->capture_default_str();
}

void add_training(CLI::App& app, Settings& s) {
  const auto number = [&](const char* name, auto& value, const char* what, double least,
                          double most) {
    app.add_option(name, value, what)->capture_default_str()->check(CLI::Range(least, most));
  };
  number("--epochs", s.epochs, "passes over the data", 1, 1e6);
  number("--minutes", s.minutes, "time limit; 0: none", 0, 1e6);
  number("--batch", s.batch, "sequences per step", 1, 1e6);
  number("--learning-rate", s.learning_rate, "its peak", 0, 1e3);
  number("--weight-decay", s.weight_decay, "of AdamW", 0, 1e3);
  number("--clip", s.clip_norm, "largest norm of the gradients; 0: not clipped", 0, 1e9);
  number("--dropout", s.dropout, "rate", 0, 0.99);
  number("--embedding", s.embedding, "width of the embeddings", 1, 65536);
  number("--hidden", s.hidden, "width of the recurrent layers", 1, 65536);
  number("--layers", s.layers, "recurrent layers", 1, 64);
  number("--patience", s.patience, "epochs without a better score before the end; 0: never", 0,
         1e6);
  number("--shards", s.shards, "parts of a batch; fixes the result, unlike --threads", 1, 1024);
  app.add_flag("--resume", s.resume, "go on from where a training was cut off");
  app.add_flag("--quiet", s.quiet, "no progress");
}

}  // namespace

int run_program(const Program& program, int argc, char** argv) {
  CLI::App app{program.what};
  app.require_subcommand(1);
  const std::function<void()>* chosen = nullptr;
  const auto add = [&](const char* name, const char* what, const std::function<void()>& command,
                       bool training) {
    if (!command) return;
    CLI::App& sub = *app.add_subcommand(name, what);
    add_common(sub, program.settings);
    if (training) add_training(sub, program.settings);
    for (const Option& option : program.options) {
      std::visit(
          [&](auto* value) {
            if constexpr (std::is_same_v<decltype(value), bool*>) {
              sub.add_flag(option.name, *value, option.what);
            } else {
              sub.add_option(option.name, *value, option.what)->capture_default_str();
            }
          },
          option.value);
    }
    sub.callback([&chosen, &command] { chosen = &command; });
  };
  add("train", "learn, and score the best model", program.train, true);
  add("evaluate", "score a trained model", program.evaluate, false);
  add("run", "use a trained model", program.run, false);
  CLI11_PARSE(app, argc, argv);
  try {
    (*chosen)();
    return 0;
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}: {}\n", program.name, e.what());
    return 1;
  }
}

train::FitSummary train_model(const Settings& settings, const ParameterSet& parameters,
                              const train::Task& task,
                              const std::map<std::string, std::string>& metadata) {
  optim::AdamW adam(std::vector<Parameter>(parameters.begin(), parameters.end()),
                    {.lr = settings.learning_rate, .weight_decay = settings.weight_decay});
  return train_model(settings, parameters, task, metadata,
                     {adam, train::cosine_rate(settings.learning_rate, 0.02, 100)});
}

train::FitSummary train_model(const Settings& settings, const ParameterSet& parameters,
                              const train::Task& task,
                              const std::map<std::string, std::string>& metadata,
                              const Recipe& recipe) {
  const std::string snapshot = settings.model + ".training";
  if (!settings.resume) std::filesystem::remove(snapshot);
  if (!settings.quiet) fmt::print(stderr, "{} parameters\n", parameters.elements());
  const train::FitSummary summary =
      train::fit(parameters, recipe.optimizer, task,
                 {.epochs = settings.epochs,
                  .minutes = settings.minutes,
                  .clip_norm = settings.clip_norm,
                  .learning_rate = recipe.learning_rate,
                  .patience = settings.patience,
                  .parallel = {.shards = settings.shards, .threads = settings.threads},
                  .seed = settings.seed,
                  .improved = [&] { train::save_model(settings.model, parameters, metadata); },
                  .snapshot = snapshot,
                  .name = std::filesystem::path(settings.model).stem().string(),
                  .quiet = settings.quiet});
  if (!summary.interrupted) std::filesystem::remove(snapshot);
  fmt::print("{}: best epoch {} of {}, {} steps in {}{}\n", settings.model, summary.best_epoch,
             summary.epochs, summary.steps, train::clock_time(summary.seconds),
             summary.interrupted ? ", interrupted; --resume goes on" : "");
  return summary;
}

}  // namespace unroll::tasks
