// translate: trains and uses a translator. This file is the command line; commands.h says what the
// commands do.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <exception>
#include <map>

#include <unroll/examples/number_option.h>
#include <unroll/examples/translate/commands.h>

namespace {

using namespace unroll;
using namespace unroll::translate;

void add_search(CLI::App& app, SearchOptions& search) {
  add_number(app, "--beam", search.beam, "beam size; 1 is greedy", 1, 100);
  add_number(app, "--length-penalty", search.length_penalty,
             "0 favours short translations, 1 is fair to long ones", 0, 5);
  add_number(app, "--max-length", search.max_length,
             "most tokens of a translation; 0: twice the source and ten more", 0, 100000);
}

void add_threads(CLI::App& app, int& threads) {
  add_number(app, "--threads", threads, "0: all cores; results do not depend on it", 0, 1024);
}

void add_bf16(CLI::App& app, bool& bf16) {
  app.add_flag("--bf16", bf16, "train with products of bfloat16: faster, if the CPU has them");
}

void add_bad_line(CLI::App& app, text::BadLine& bad_line) {
  static const std::map<std::string, text::BadLine> names{{"skip", text::BadLine::skip},
                                                          {"stop", text::BadLine::stop},
                                                          {"replace", text::BadLine::replace}};
  app.add_option("--bad-lines", bad_line, "what to do with a malformed line")
      ->transform(CLI::CheckedTransformer(names, CLI::ignore_case));
}

void add_train(CLI::App& app, TrainCommand& train) {
  app.add_option("--data", train.data, "training pairs, source<TAB>target lines, plain or .gz")
      ->required()
      ->check(CLI::ExistingFile);
  app.add_option("--valid", train.valid, "validation pairs; default: 1 in 50 of the training pairs")
      ->check(CLI::ExistingFile);
  app.add_option("--model", train.model, "where the model is written")->capture_default_str();
  add_bad_line(app, train.bad_line);

  static const std::map<std::string, text::TokenizerKind> kinds{
      {"words", text::TokenizerKind::words},
      {"spaces", text::TokenizerKind::spaces},
      {"characters", text::TokenizerKind::characters},
      {"decomposed", text::TokenizerKind::decomposed},
      {"bpe", text::TokenizerKind::bpe}};
  auto& tokenizer = train.language.tokenizer;
  app.add_option("--tokens", tokenizer.kind, "how sentences are cut")
      ->transform(CLI::CheckedTransformer(kinds, CLI::ignore_case));
  add_number(app, "--bpe-merges", tokenizer.bpe_merges, "subwords to learn per language", 0,
             1000000);
  app.add_flag("--lower-case", tokenizer.lower_case, "bring all text into lower case");
  add_number(app, "--min-count", train.language.vocabulary.min_count, "rarer tokens become <unk>",
             1, 1000000);

  ModelOptions& network = train.network;
  add_number(app, "--embedding", network.embedding, "width of the embeddings", 1, 1 << 16);
  add_number(app, "--hidden", network.hidden, "width of the recurrent layers", 1, 1 << 16);
  add_number(app, "--dropout", network.dropout, "rate, below 1", 0, 0.99);
  app.add_flag("--conditional", network.conditional,
               "two transitions per decoder step, with the token and with the context");
  app.add_flag("!--linear-output", network.deep_output,
               "no tanh layer between the decoder and the vocabulary");

  TrainerOptions& trainer = train.trainer;
  add_number(app, "--epochs", trainer.epochs, "most passes over the data", 1, 1000000);
  add_number(app, "--minutes", trainer.minutes, "time limit; 0: none", 0, 1e6);
  add_number(app, "--batch-tokens", trainer.batch_tokens, "tokens per step", 1, 1 << 24);
  add_number(app, "--learning-rate", trainer.learning_rate, "its peak", 0, 1e3);
  add_number(app, "--warmup", trainer.warmup_steps, "steps to the peak", 0, 1 << 30);
  add_number(app, "--label-smoothing", trainer.label_smoothing, "0 to 1", 0, 0.99);
  add_number(app, "--own-tokens", trainer.own_tokens,
             "share of decoder steps that are fed what the model would write, not the true token",
             0, 1);
  add_number(app, "--clip", trainer.clip_norm, "largest global gradient norm; 0: not clipped", 0,
             1e9);
  app.add_flag("--resume", train.resume, "go on from where a training was cut off");
  add_number(app, "--patience", trainer.patience,
             "epochs without a better validation loss before stopping; 0: never", 0, 1000000);
  add_number(app, "--shards", trainer.shards,
             "parts a batch is cut into; fixes the result, unlike --threads", 1, 1024);
  app.add_option("--seed", trainer.seed, "of everything random")->capture_default_str();
  add_threads(app, trainer.threads);
  add_bf16(app, trainer.bf16);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Trains and uses a translator: an encoder-decoder with attention."};
  app.require_subcommand(1);

  DemoCommand demo;
  CLI::App* demo_app = app.add_subcommand("demo", "learn a small generated English-French corpus");
  demo_app->add_option("--model", demo.model, "where the model is written")->capture_default_str();
  add_number(*demo_app, "--minutes", demo.minutes, "limit of the training time", 0.01, 1e6);
  demo_app->add_option("--seed", demo.seed, "of everything random")->capture_default_str();
  add_threads(*demo_app, demo.threads);
  add_bf16(*demo_app, demo.bf16);

  TrainCommand train;
  add_train(*app.add_subcommand("train", "learn from a file of sentence pairs"), train);

  RunCommand translate_lines;
  CLI::App* run_app = app.add_subcommand("run", "translate lines of standard input");
  run_app->add_option("--model", translate_lines.model, "a trained model")->required();
  add_number(*run_app, "--n-best", translate_lines.n_best, "translations per line", 1, 100);
  run_app->add_flag("--attention", translate_lines.attention, "print the alignment too");
  add_search(*run_app, translate_lines.search);

  EvaluateCommand evaluate;
  CLI::App* evaluate_app = app.add_subcommand("evaluate", "score a model on a file of pairs");
  evaluate_app->add_option("--model", evaluate.model, "a trained model")->required();
  evaluate_app->add_option("--data", evaluate.data, "pairs, source<TAB>target lines, plain or .gz")
      ->required();
  evaluate_app->add_option("--output", evaluate.output, "file for the translations");
  add_bad_line(*evaluate_app, evaluate.bad_line);
  add_search(*evaluate_app, evaluate.search);
  add_threads(*evaluate_app, evaluate.threads);

  CLI11_PARSE(app, argc, argv);
  try {
    if (app.got_subcommand("demo")) return run(demo);
    if (app.got_subcommand("train")) return run(train);
    if (app.got_subcommand("run")) return run(translate_lines);
    return run(evaluate);
  } catch (const std::exception& e) {
    fmt::print(stderr, "translate: {}\n", e.what());
    return 1;
  }
}
