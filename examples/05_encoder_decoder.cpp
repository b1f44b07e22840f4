// Lesson 5: an encoder-decoder: sequence in, sequence out.
//
// The net reads a row of digits and writes it backwards. The encoder reads the row in both
// directions; the decoder writes one digit at a time, and before each it looks over the whole row
// and decides where to look: that is attention. A translator is the same net with words.
#include <algorithm>
#include <cstdio>
#include <span>
#include <string>

#include <unroll/unroll.h>

using namespace unroll;

namespace {

constexpr int kLongest = 8;
// A net sees numbers of tokens. Three are needed beside the digits: padding, begin and end.
constexpr std::int32_t kPad = 0, kBegin = 1, kEnd = 2, kDigit = 3, kTokens = kDigit + 10;

/// A padded batch of questions and answers.
struct Batch {
  Tensor source;  ///< int32 [batch, kLongest]: digits
  Tensor target;  ///< int32 [batch, kLongest + 2]: begin, the digits in reverse, end
};

/// Rows of 3 to 8 random digits.
Batch make_batch(Random& random, int size) {
  Tensor source(Shape{size, kLongest}, Dtype::int32);  // zeros, and 0 is kPad
  Tensor target(Shape{size, kLongest + 2}, Dtype::int32);
  std::int32_t* from = source.mutable_data<std::int32_t>().data();
  std::int32_t* to = target.mutable_data<std::int32_t>().data();
  for (int b = 0; b < size; ++b, from += kLongest, to += kLongest + 2) {
    const auto length = 3 + static_cast<int>(random.below(kLongest - 2));
    for (int t = 0; t < length; ++t) from[t] = kDigit + static_cast<int>(random.below(10));
    to[0] = kBegin;
    std::reverse_copy(from, from + length, to + 1);
    to[length + 1] = kEnd;
  }
  return {source, target};
}

/// The digits among the tokens, as text.
std::string text_of(std::span<const std::int32_t> tokens) {
  std::string text;
  for (const std::int32_t token : tokens) {
    if (token >= kDigit) text += static_cast<char>('0' + token - kDigit);
  }
  return text;
}

/// Row `b` of ids [batch, length].
std::span<const std::int32_t> row_of(const Tensor& ids, std::size_t b) {
  const auto length = static_cast<std::size_t>(ids.shape()[1]);
  return ids.data<std::int32_t>().subspan(b * length, length);
}

/// Where the net looked: a line for each token it wrote, a column for each digit it read.
void draw_attention(const std::string& question, const nn::Hypothesis& answer) {
  std::printf("\nwhere it looked ('#' over one half, '+' over one tenth):\n      %s\n",
              question.c_str());
  const std::string written = text_of(answer.tokens) + (answer.ended ? "$" : "");  // $: the end
  for (std::size_t n = 0; n < written.size(); ++n) {
    std::string line;
    for (std::size_t s = 0; s < question.size(); ++s) {
      const double weight = answer.attention.at(static_cast<std::int64_t>(n * kLongest + s));
      line += weight > 0.5 ? '#' : weight > 0.1 ? '+' : '.';
    }
    std::printf("    %c %s\n", written[n], line.c_str());
  }
}

}  // namespace

int main() {
  ParameterSet parameters(/*seed=*/1);
  const nn::EncoderDecoder<nn::GRUCell> model(parameters.scope(), {.source_vocabulary = kTokens,
                                                                   .target_vocabulary = kTokens,
                                                                   .embedding = 16,
                                                                   .hidden = 32,
                                                                   .pad = kPad,
                                                                   .begin = kBegin,
                                                                   .end = kEnd});
  // The loss is that of predicting each token of the answer from the true ones before it.
  // The learning rate falls along half a cosine wave: large steps first, then ever finer ones.
  const optim::CosineLR rate{.lr = 0.01, .steps = 500};
  optim::Adam adam(parameters);
  Random random(2);
  Tape tape;
  for (int step = 1; step <= 500; ++step) {
    const Batch batch = make_batch(random, 64);
    tape.reset();
    const Variable loss = model.loss(tape, batch.source, batch.target);
    Gradients grads = gradients(loss, parameters);
    optim::clip_norm(grads, 1.0);
    adam.set_lr(rate(step));
    adam.step(grads);
    if (step == 1 || step % 100 == 0) std::printf("step %3d: loss %.4f\n", step, loss.item());
  }

  // Now without the answers: the net goes on from what it wrote itself. Only a row that is right
  // from the first to the last digit counts.
  const int rows = 500;
  const Batch unseen = make_batch(random, rows);
  const auto answers = nn::greedy(model, unseen.source, {.max_length = kLongest + 2});
  int right = 0;
  for (std::size_t b = 0; b < answers.size(); ++b) {
    const std::string question = text_of(row_of(unseen.source, b));
    const std::string answer = text_of(answers[b].tokens);
    right += answer == text_of(row_of(unseen.target, b)) ? 1 : 0;
    if (b < 3) std::printf("%s -> %s\n", question.c_str(), answer.c_str());
  }
  draw_attention(text_of(row_of(unseen.source, 0)), answers[0]);
  std::printf("\n%d of %d new rows reversed without a mistake\n", right, rows);
  return right > 0.95 * rows ? 0 : 1;
}
