// commands: which actions carry out a command? As in SCAN (Lake and Baroni 2018).
//   commands train --data tasks_train_simple.txt.gz --test tasks_test_simple.txt.gz
//   echo 'jump twice after walk left' | commands run
// Lines are "IN: words OUT: actions". Without data it makes them by SCAN's grammar.
#include <array>

#include <unroll/autograd/random.h>
#include <unroll/examples/tasks/parts/pairs.h>
#include <unroll/examples/tasks/parts/scan.h>

namespace {

using namespace unroll;
using namespace unroll::tasks;

std::string repeated(const std::string& actions, int times) {
  std::string result;
  for (int k = 0; k < times; ++k) result += (k == 0 ? "" : " ") + actions;
  return result;
}

/// One verb with a direction and a number of times.
text::SentencePair phrase(Random& random) {
  const auto below = [&](std::uint32_t n) { return random.below(n); };
  static const std::array<std::pair<const char*, const char*>, 5> verbs{
      {{"walk", "I_WALK"}, {"look", "I_LOOK"}, {"run", "I_RUN"}, {"jump", "I_JUMP"}, {"turn", ""}}};
  const auto& [verb, action] = verbs[below(5)];
  const bool turning = *action == '\0';
  text::SentencePair pair{verb, action};
  const std::uint32_t manner = turning ? 1 + below(3) : below(4);  // none, plain, opposite, around
  if (manner > 0) {
    const bool left = below(2) == 0;
    const std::string turn = left ? "I_TURN_LEFT" : "I_TURN_RIGHT";
    const std::string then = turning ? "" : std::string(" ") + action;
    pair.source += (manner == 2   ? " opposite"
                    : manner == 3 ? " around"
                                  : "") +
                   std::string(left ? " left" : " right");
    pair.target = manner == 1   ? turn + then
                  : manner == 2 ? turn + " " + turn + then
                                : repeated(turn + then, 4);
  }
  const int times = 1 + static_cast<int>(below(3));
  if (times > 1) pair.source += times == 2 ? " twice" : " thrice";
  pair.target = repeated(pair.target, times);
  return pair;
}

std::vector<text::SentencePair> generate(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  std::vector<text::SentencePair> pairs(count);
  for (text::SentencePair& pair : pairs) {
    pair = phrase(random);
    const std::uint32_t join = random.below(3);
    if (join == 0) continue;
    const text::SentencePair other = phrase(random);
    pair.source += (join == 1 ? " and " : " after ") + other.source;
    pair.target = join == 1 ? pair.target + " " + other.target : other.target + " " + pair.target;
  }
  return pairs;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings{.name = "commands",
                    .epochs = 15,
                    .batch = 64,
                    .learning_rate = 2e-3,
                    .weight_decay = 0,
                    .dropout = 0.1,
                    .embedding = 64,
                    .hidden = 128};
  PairsTask task{
      .settings = settings,
      .from = text::TokenizerKind::spaces,
      .to = text::TokenizerKind::spaces,
      .source = {.read = read_scan, .generate = generate, .generated = 6000, .held_out = 20},
      .label_smoothing = 0,
      .beam = 1};
  return run_program(pairs_program("Turns commands into actions.", task), argc, argv);
}
