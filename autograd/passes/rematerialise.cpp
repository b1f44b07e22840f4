// Pass: under a memory budget, values of the forward pass are computed again where the backward
// pass needs them, instead of being kept (Chen et al. 2016, along the list of steps).
//
// The forward steps are cut into segments, at places where little is alive. Of every segment but
// the last, what the backward steps read is dropped and computed a second time from what later
// segments needed anyway. Kernels are pure, so the second time gives the same bits.
#include <algorithm>

#include <unroll/autograd/program.h>

namespace unroll::passes {

namespace {

class Rematerialising {
 public:
  Rematerialising(Program& program, std::size_t budget)
      : program_(program), budget_(budget), segment_of_(program.steps.size(), kBackward) {}

  void run() {
    find_forward();
    find_saved();
    if (saved_total_ <= budget_) return;
    find_crossing();
    if (!cut()) return;
    again_.assign(program_.values.size(), Program::kNone);
    compute_again();
    for (const std::uint32_t s : program_.order) {
      if (segment_of_[s] != kBackward) continue;
      std::vector<std::uint32_t> inputs;
      for (const std::uint32_t input : program_.inputs_of(program_.steps[s])) {
        inputs.push_back(second(input));
      }
      replace_inputs(s, inputs);
    }
    const std::vector<std::uint32_t> listed = program_.order;
    put_in_order(program_, listed);
  }

 private:
  static constexpr std::uint32_t kBackward = Program::kNone;

  /// The step that computes the memory of a value, kNone if it was there before.
  std::uint32_t producer(std::uint32_t value) const {
    return program_.values[program_.home(value).owner].step;
  }
  bool is_forward(std::uint32_t step) const {
    return step != Program::kNone && segment_of_[step] != kBackward;
  }
  std::int64_t bytes_of(std::uint32_t value) const {
    return static_cast<std::int64_t>(program_.values[value].type->bytes());
  }

  /// Forward is what the first root, the loss, needs.
  void find_forward() {
    const auto mark = [&](std::uint32_t value) {
      if (const std::uint32_t s = producer(value); s != Program::kNone) segment_of_[s] = 0;
    };
    mark(program_.roots.front());
    for (std::size_t i = program_.order.size(); i-- > 0;) {
      const std::uint32_t s = program_.order[i];
      if (segment_of_[s] == kBackward) continue;
      for (const std::uint32_t input : program_.inputs_of(program_.steps[s])) mark(input);
    }
    for (const std::uint32_t s : program_.order) {
      if (segment_of_[s] != kBackward) forward_.push_back(s);
    }
  }

  /// Values of forward steps that backward steps read, unless they stay anyway.
  void find_saved() {
    std::vector<bool> read(program_.values.size(), false);
    for (const std::uint32_t s : program_.order) {
      if (segment_of_[s] != kBackward) continue;
      for (const std::uint32_t input : program_.inputs_of(program_.steps[s])) {
        read[program_.home(input).owner] = true;
      }
    }
    for (const Program::Value& value : program_.values) stays_.push_back(value.keep);
    for (const std::uint32_t s : forward_) {  // parts of an array that stays, stay with it
      const Program::Step& step = program_.steps[s];
      if (step.kind != Program::Kind::assemble) continue;
      if (!read[step.output] && !program_.values[step.output].keep) continue;
      for (const std::uint32_t input : program_.inputs_of(step)) {
        stays_[program_.home(input).owner] = true;
      }
    }
    saved_.assign(program_.steps.size(), 0);
    for (const std::uint32_t s : forward_) {
      const std::uint32_t v = program_.steps[s].output;
      if (read[v] && !stays_[v]) saved_[s] = bytes_of(v);
      saved_total_ += static_cast<std::size_t>(saved_[s]);
    }
    read_ = std::move(read);
  }

  /// For each place between two forward steps: the bytes computed before it that forward steps
  /// after it read.
  void find_crossing() {
    std::vector<std::int64_t> change(forward_.size() + 1, 0);
    std::vector<std::size_t> last(program_.values.size(), 0);
    for (std::size_t i = 0; i < forward_.size(); ++i) {
      for (const std::uint32_t input : program_.inputs_of(program_.steps[forward_[i]])) {
        last[program_.home(input).owner] = i;
      }
    }
    for (std::size_t i = 0; i < forward_.size(); ++i) {
      const std::uint32_t v = program_.steps[forward_[i]].output;
      if (stays_[v] || last[v] <= i) continue;
      spans_.push_back({i, last[v], bytes_of(v)});
      change[i + 1] += bytes_of(v);
      if (last[v] + 1 < change.size()) change[last[v] + 1] -= bytes_of(v);
    }
    crossing_.resize(forward_.size() + 1);
    std::int64_t alive = 0;
    for (std::size_t i = 0; i < change.size(); ++i) crossing_[i] = alive += change[i];
  }

  /// Cuts at the fewest places whose memory fits the budget, or at those with the least memory.
  bool cut() {
    std::vector<std::size_t> best;
    std::int64_t least = static_cast<std::int64_t>(saved_total_);
    for (std::size_t segments = 2; segments < forward_.size(); segments += (segments + 3) / 4) {
      std::vector<std::size_t> cuts = cuts_for(segments);
      const std::int64_t memory =
          static_cast<std::int64_t>(saved_total_ / segments) + bytes_across(cuts);
      if (memory < least) {
        least = memory;
        best = std::move(cuts);
      }
      if (least <= static_cast<std::int64_t>(budget_)) break;
    }
    if (best.empty()) return false;
    std::uint32_t segment = 0;
    for (std::size_t i = 0; i < forward_.size(); ++i) {
      if (segment < best.size() && i == best[segment]) ++segment;
      segment_of_[forward_[i]] = segment;
    }
    last_segment_ = segment;
    return true;
  }

  /// What is computed in one segment and read by a later one.
  std::int64_t bytes_across(const std::vector<std::size_t>& cuts) const {
    std::int64_t bytes = 0;
    auto next = cuts.begin();  // the first cut after the step that computes the value
    for (const Span& span : spans_) {
      while (next != cuts.end() && *next <= span.first) ++next;
      if (next != cuts.end() && *next <= span.last) bytes += span.bytes;
    }
    return bytes;
  }

  /// About equal shares of what is saved; near each share's end, where least is alive.
  std::vector<std::size_t> cuts_for(std::size_t segments) const {
    const double share = static_cast<double>(saved_total_) / static_cast<double>(segments);
    std::vector<std::size_t> cuts;
    double saved = 0;
    std::size_t candidate = 0;
    for (std::size_t i = 0; i < forward_.size() && cuts.size() + 1 < segments; ++i) {
      const double end = share * static_cast<double>(cuts.size() + 1);
      if (saved >= end - share / 4 && (candidate == 0 || crossing_[i] < crossing_[candidate])) {
        candidate = i;
      }
      saved += static_cast<double>(saved_[forward_[i]]);
      if (saved >= end + share / 4 && candidate != 0) {
        cuts.push_back(candidate);
        candidate = 0;
      }
    }
    return cuts;
  }

  void compute_again() {
    std::vector<bool> needed(program_.steps.size(), false);
    for (std::size_t i = forward_.size(); i-- > 0;) {
      const std::uint32_t s = forward_[i];
      const std::uint32_t output = program_.steps[s].output;
      if (segment_of_[s] == last_segment_ || stays_[output]) continue;
      needed[s] = needed[s] || read_[output];
      if (!needed[s]) continue;
      for (const std::uint32_t input : program_.inputs_of(program_.steps[s])) {
        const std::uint32_t p = producer(input);
        if (is_forward(p) && segment_of_[p] == segment_of_[s]) needed[p] = true;
      }
    }
    for (const std::uint32_t s : forward_) {
      if (!needed[s] || stays_[program_.steps[s].output]) continue;
      const Program::Step step = program_.steps[s];
      std::vector<std::uint32_t> inputs;
      for (const std::uint32_t input : program_.inputs_of(step)) {
        const std::uint32_t p = producer(input);
        const bool same_segment = is_forward(p) && segment_of_[p] == segment_of_[s];
        inputs.push_back(same_segment ? second(input) : input);
      }
      const std::uint32_t value = program_.add_value(*program_.values[step.output].type);
      const std::uint32_t copy = program_.add_step(step.kind, step.op, inputs, value, step);
      program_.steps[copy].first_region = step.first_region;
      again_[step.output] = value;
    }
  }

  /// The second computation of a value, or the value itself if there is none.
  std::uint32_t second(std::uint32_t value) {
    const Program::Value v = program_.values[value];
    if (v.owner == Program::kNone || again_[value] != Program::kNone) {
      return again_[value] == Program::kNone ? value : again_[value];
    }
    const std::uint32_t owner = second(v.owner);
    if (owner == v.owner) return value;
    const std::uint32_t alias = program_.add_value(*v.type);
    program_.make_alias(alias, owner, v.offset, v.stride);
    return again_[value] = alias;
  }

  void replace_inputs(std::uint32_t s, std::span<const std::uint32_t> inputs) {
    std::ranges::copy(inputs, program_.inputs.begin() + program_.steps[s].first_input);
  }

  Program& program_;
  std::size_t budget_;
  std::vector<std::uint32_t> segment_of_;  ///< per step
  std::uint32_t last_segment_ = 0;
  std::vector<std::uint32_t> forward_;
  std::vector<bool> read_, stays_;   ///< per value: by backward steps; in any case
  std::vector<std::int64_t> saved_;  ///< per step: bytes that are dropped
  /// A value that forward steps read: where it is computed and where it is read last.
  struct Span {
    std::size_t first, last;
    std::int64_t bytes;
  };
  std::vector<Span> spans_;  ///< in order of `first`
  std::vector<std::int64_t> crossing_;
  std::size_t saved_total_ = 0;
  std::vector<std::uint32_t> again_;  ///< per value there was: the second one
};

}  // namespace

void rematerialise(Program& program, std::size_t budget) {
  if (program.roots.size() > 1) Rematerialising(program, budget).run();
}

}  // namespace unroll::passes
