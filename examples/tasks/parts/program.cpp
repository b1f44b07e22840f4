// The command line and the training of the programs of tasks/.
#include <unroll/examples/tasks/parts/program.h>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <exception>
#include <filesystem>

#include <unroll/examples/number_option.h>
#include <unroll/optim/adam.h>
#include <unroll/train/atomic_file.h>
#include <unroll/train/checkpoint.h>
#include <unroll/train/progress.h>

namespace unroll::tasks {

namespace {

enum class Role { train, evaluate, run };

void add_files(CLI::App& app, const Program& program, Role role) {
  Settings& s = program.settings;
  app.add_option("--model", s.model, "the model's file")->capture_default_str();
  if (program.files == Files::none || role == Role::run) return;
  if (role == Role::train) {
    app.add_option("--data", s.data, "what to learn from; default: made by the program");
  } else if (program.files != Files::three) {
    app.add_option("--data", s.data, "what train was given");
  }
  if (program.files == Files::one) return;
  if (role == Role::train) {
    app.add_option("--valid", s.valid, "what chooses the best epoch; default: a part of --data");
  }
  app.add_option("--test", s.test,
                 program.files == Files::parts ? "what is scored; default: the end of --data"
                                               : "what is scored; default: made by the program");
}

void add_training(CLI::App& app, Settings& s) {
  const auto number = [&](const char* name, auto& value, const char* what, double least,
                          double most) {
    add_number(app, name, value, what, least, most)->group("Training");
  };
  number("--epochs", s.epochs, "passes over the data", 1, 1e6);
  number("--minutes", s.minutes, "time limit; 0: none", 0, 1e6);
  number("--batch", s.batch, "sequences per step", 1, 1e6);
  number("--learning-rate", s.learning_rate, "its peak", 0, 1e3);
  number("--weight-decay", s.weight_decay, "of AdamW", 0, 1e3);
  number("--clip", s.clip_norm, "largest norm of the gradients; 0: not clipped", 0, 1e9);
  number("--dropout", s.dropout, "rate", 0, 0.99);
  if (s.embedding > 0) number("--embedding", s.embedding, "width of the embeddings", 1, 65536);
  number("--hidden", s.hidden, "width of the recurrent layers", 1, 65536);
  if (s.layers > 0) number("--layers", s.layers, "recurrent layers", 1, 64);
  number("--patience", s.patience, "epochs without a better score before the end; 0: never", 0,
         1e6);
  number("--shards", s.shards, "parts of a batch; fixes the result, unlike --threads", 1, 1024);
  app.add_flag("--bf16", s.bf16, "products of bfloat16: faster, if the CPU has them")
      ->group("Training");
  app.add_flag("--resume", s.resume, "go on from where a training was cut off")->group("Training");
  app.add_flag("--quiet", s.quiet, "no progress")->group("Training");
}

void add_own(CLI::App& app, const Option& option) {
  std::visit(
      [&](auto* value) {
        using Value = std::remove_pointer_t<decltype(value)>;
        if constexpr (std::is_same_v<Value, bool>) {
          app.add_flag(option.name, *value, option.what);
        } else if constexpr (std::is_same_v<Value, std::string>) {
          app.add_option(option.name, *value, option.what)->capture_default_str();
        } else {
          add_number(app, option.name, *value, option.what, option.least, option.most);
        }
      },
      option.value);
}

}  // namespace

int run_program(const Program& program, int argc, char** argv) {
  Settings& settings = program.settings;
  settings.model = settings.name + ".safetensors";
  CLI::App app{program.what, settings.name};
  app.require_subcommand(1);
  app.footer(settings.name + " COMMAND --help lists the options.");
  const Command* chosen = nullptr;
  const auto add = [&](const char* name, const char* what, const Command& command, Role role) {
    CLI::App& sub = *app.add_subcommand(name, what);
    add_files(sub, program, role);
    for (const Option& option : command.options) add_own(sub, option);
    add_number(sub, "--threads", settings.threads, "0: all cores; results do not depend on it", 0,
               1024);
    sub.add_option("--seed", settings.seed, "of everything random")->capture_default_str();
    if (role == Role::train) add_training(sub, settings);
    sub.callback([&chosen, &command] { chosen = &command; });
  };
  add("train", "learn, and score the best model", program.train, Role::train);
  add("evaluate", "score a trained model", program.evaluate, Role::evaluate);
  add("run", "use a trained model", program.run, Role::run);
  CLI11_PARSE(app, argc, argv);
  try {
    chosen->call();
    return 0;
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}: {}\n", settings.name, e.what());
    return 1;
  }
}

void train_model(const Settings& settings, const ParameterSet& parameters, const train::Task& task,
                 const std::map<std::string, std::string>& metadata) {
  optim::AdamW adam(parameters,
                    {.lr = settings.learning_rate, .weight_decay = settings.weight_decay});
  train_model(settings, parameters, task, metadata,
              {adam, train::cosine_rate(settings.learning_rate, 0.02, 100)});
}

void train_model(const Settings& settings, const ParameterSet& parameters, const train::Task& task,
                 const std::map<std::string, std::string>& metadata, const Recipe& recipe) {
  if (!settings.quiet) fmt::print(stderr, "{} parameters\n", parameters.elements());
  with_snapshot(settings, [&](const std::string& snapshot) {
    return train::fit(parameters, recipe.optimizer, task,
                      {.epochs = settings.epochs,
                       .minutes = settings.minutes,
                       .clip_norm = settings.clip_norm,
                       .learning_rate = recipe.learning_rate,
                       .patience = settings.patience,
                       .parallel = {.shards = settings.shards,
                                    .threads = settings.threads,
                                    .tape = {.bf16 = settings.bf16}},
                       .seed = settings.seed,
                       .improved = [&] { train::save_model(settings.model, parameters, metadata); },
                       .snapshot = snapshot,
                       .name = settings.name,
                       .quiet = settings.quiet});
  });
}

train::Score score_of_accuracy(double accuracy) {
  return {1 - accuracy, fmt::format("validation accuracy {:.2f} %", 100 * accuracy)};
}

void with_snapshot(const Settings& settings,
                   const std::function<train::FitSummary(const std::string& snapshot)>& training) {
  train::expect_writable(settings.model);
  const std::string snapshot = settings.model + ".training";
  if (!settings.resume) std::filesystem::remove(snapshot);
  const train::FitSummary summary = training(snapshot);
  if (!summary.interrupted) std::filesystem::remove(snapshot);
  fmt::print("{}: best epoch {} of {}, {} steps in {}{}\n", settings.model, summary.best_epoch,
             summary.epochs, summary.steps, train::clock_time(summary.seconds),
             !summary.interrupted             ? ""
             : summary.snapshot_fault.empty() ? ", interrupted; --resume goes on"
                                              : ", interrupted");
}

}  // namespace unroll::tasks
