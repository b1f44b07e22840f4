// Pass: rows that were recorded apart are computed together.
//
// Sums: the terms of a sum that are themselves sums over rows (weight and bias gradients of the
// steps of a sequence) become one op on all rows. Rows: ops with one matrix whose rows do not
// depend on each other become one op. Two steps at the same depth (longest way from the leaves)
// cannot depend on each other, nor can two at the same height (longest way to the results): the
// first finds input products, which then run before the time loop, the second the gradients of
// inputs, which run after it. Both work in pieces of at most kRows rows, so that what waits to be
// computed together stays small.
#include <algorithm>
#include <cstring>
#include <map>
#include <unordered_map>

#include <unroll/autograd/leaves.h>
#include <unroll/autograd/program.h>

namespace unroll::passes {

namespace {

constexpr std::int64_t kRows = 1024;

using Values = std::vector<std::uint32_t>;

Type with_rows(const Type& type, std::int64_t rows) {
  return {type.dtype, type.shape.with(0, rows)};
}

class Batching {
 public:
  explicit Batching(Program& program) : program_(program) {}

  void merge_sums() {
    begin();
    const std::size_t count = program_.order.size();
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t s = program_.order[i];
      if (program_.steps[s].op == &accumulate_op() && program_.steps[s].kind == Program::Kind::op) {
        merge_terms(s);
      }
    }
    finish();
  }

  enum class Level { depth, height };
  void merge_rows(Level level) {
    begin();
    const std::vector<std::uint32_t> levels = level == Level::depth ? depths() : heights();
    std::unordered_map<std::size_t, std::size_t> bucket_of;
    std::vector<Values> buckets;  // steps
    for (const std::uint32_t s : program_.order) {
      if (!is_batchable(s)) continue;
      const auto [entry, is_new] = bucket_of.try_emplace(hash(s, levels[s]), buckets.size());
      if (is_new) buckets.emplace_back();
      Values& bucket = buckets[entry->second];
      const bool fits =
          bucket.empty() || (levels[bucket.front()] == levels[s] && alike(bucket.front(), s, 1));
      if (fits) bucket.push_back(s);
    }
    for (Values& bucket : buckets) {
      // Backward steps were recorded last step first; rows lie in the order of time.
      if (level == Level::height) std::ranges::reverse(bucket);
      for (const Values& piece : pieces(bucket)) {
        if (piece.size() > 1) run_together(piece);
      }
    }
    finish();
  }

 private:
  void begin() {
    changed_ = false;
    program_.count_uses();
    instead_.assign(program_.steps.size(), Program::kNone);
  }

  void finish() {
    if (!changed_) return;
    Values listed;
    for (const std::uint32_t s : program_.order) {
      // A step that stands for others may itself have become part of another.
      for (std::uint32_t n = s; n < instead_.size() && instead_[n] != Program::kNone;) {
        n = instead_[n];
        listed.push_back(n);
      }
      listed.push_back(s);
    }
    put_in_order(program_, listed);
  }

  const Type& type_of(std::uint32_t value) const { return *program_.values[value].type; }
  std::int64_t rows_of(std::uint32_t s) const {
    return type_of(program_.inputs_of(program_.steps[s])[0]).shape[0];
  }

  /// One op, with the same attributes, the same inputs from `shared` on, and inputs before that
  /// which differ in their rows at most.
  bool alike(std::uint32_t a, std::uint32_t b, std::size_t shared) const {
    const Program::Step &x = program_.steps[a], &y = program_.steps[b];
    if (x.op != y.op || x.input_count != y.input_count) return false;
    const std::size_t bytes = x.op->attribute_bytes();
    if (std::memcmp(program_.attributes.data() + x.attributes,
                    program_.attributes.data() + y.attributes, bytes) != 0) {
      return false;
    }
    const auto xs = program_.inputs_of(x), ys = program_.inputs_of(y);
    for (std::size_t i = 0; i < xs.size(); ++i) {
      if (i >= shared) {
        if (xs[i] != ys[i]) return false;
      } else if (!(with_rows(type_of(xs[i]), 0) == with_rows(type_of(ys[i]), 0))) {
        return false;
      }
    }
    return true;
  }

  Rows rows_rule(const Program::Step& step) {
    if (step.kind != Program::Kind::op || step.input_count == 0) return Rows::coupled;
    return step.op->row_rule(signature_of(program_, step, types_));
  }

  /// The members of a list in runs of about equal size, of about kRows rows at most.
  std::vector<Values> pieces(const Values& members) const {
    std::int64_t total = 0, before = 0;
    for (const std::uint32_t s : members) total += rows_of(s);
    const std::int64_t count = std::max<std::int64_t>((total + kRows - 1) / kRows, 1);
    std::vector<Values> result;
    std::int64_t last = -1;
    for (const std::uint32_t s : members) {
      // The run that its middle lies in.
      const std::int64_t run = total == 0 ? 0 : (2 * before + rows_of(s)) * count / (2 * total);
      if (run != last) result.emplace_back();
      result.back().push_back(s);
      last = run;
      before += rows_of(s);
    }
    return result;
  }

  /// Values one above the other; the same list gives the same value.
  std::uint32_t joined(const Values& parts, const Program::Step& like) {
    const auto [entry, is_new] = joins_.try_emplace(parts, 0);
    if (!is_new) return entry->second;
    std::int64_t rows = 0;
    for (const std::uint32_t part : parts) rows += type_of(part).shape[0];
    const std::uint32_t value = program_.add_value(with_rows(type_of(parts.front()), rows));
    const std::uint32_t step =
        program_.add_step(Program::Kind::assemble, nullptr, parts, value, like);
    std::int64_t offset = 0;
    const std::int64_t size = type_of(value).shape.size();
    std::vector<Region> regions;
    for (const std::uint32_t part : parts) {
      regions.push_back({offset, 1, type_of(part).shape.size(), size});
      offset += regions.back().columns;
    }
    program_.set_regions(program_.steps[step], regions);
    return entry->second = value;
  }

  // **** sums ****

  bool is_term(std::uint32_t value) {
    const Program::Value& v = program_.values[value];
    if (v.step == Program::kNone || v.uses != 1 || v.keep || v.type->shape.size() == 0)
      return false;
    return rows_rule(program_.steps[v.step]) == Rows::summed && rows_of(v.step) < kRows;
  }

  void merge_terms(std::uint32_t sum) {
    std::vector<Values> kinds;  // of alike steps
    Values rest;
    for (const std::uint32_t input : program_.inputs_of(program_.steps[sum])) {
      if (!is_term(input)) {
        rest.push_back(input);
        continue;
      }
      const std::uint32_t s = program_.values[input].step;
      const auto found = std::ranges::find_if(kinds, [&](const Values& kind) {
        return alike(kind.front(), s, program_.steps[s].input_count);
      });
      if (found == kinds.end()) {
        kinds.push_back({s});
      } else {
        found->push_back(s);
      }
    }
    bool merged = false;
    for (Values& kind : kinds) {
      std::ranges::reverse(kind);  // to the order of time: they were recorded last step first
      for (const Values& piece : pieces(kind)) {
        if (piece.size() == 1) {
          rest.push_back(program_.steps[piece[0]].output);
        } else {
          rest.push_back(sum_of(piece));
          merged = true;
        }
      }
    }
    if (!merged) return;
    changed_ = true;
    if (rest.size() > 1) return program_.set_inputs(program_.steps[sum], rest);
    const std::uint32_t only = program_.values[rest.front()].step;
    program_.steps[only].output = program_.steps[sum].output;
    program_.values[program_.steps[sum].output].step = only;
    program_.steps[sum].removed = true;
  }

  /// One step for all of these.
  std::uint32_t sum_of(const Values& steps) {
    const Program::Step like = program_.steps[steps.front()];
    Values inputs;
    for (std::size_t i = 0; i < like.input_count; ++i) {
      Values parts;
      for (const std::uint32_t s : steps) {
        parts.push_back(program_.inputs_of(program_.steps[s])[i]);
      }
      inputs.push_back(joined(parts, like));
    }
    const std::uint32_t value = program_.add_value(type_of(like.output));
    const std::uint32_t merged = program_.add_step(Program::Kind::op, like.op, inputs, value, like);
    instead_[steps.front()] = merged;
    instead_.resize(program_.steps.size(), Program::kNone);
    for (const std::uint32_t s : steps) program_.steps[s].removed = true;
    return value;
  }

  // **** rows ****

  bool is_batchable(std::uint32_t s) {
    const Program::Step& step = program_.steps[s];
    if (rows_rule(step) != Rows::independent) return false;
    const Program::Value& output = program_.values[step.output];
    return !output.keep && output.type->shape.size() > 0 && rows_of(s) < kRows;
  }

  std::size_t hash(std::uint32_t s, std::uint32_t level) const {
    const Program::Step& step = program_.steps[s];
    std::size_t h = std::hash<const void*>()(step.op) + level;
    const auto mix = [&](std::size_t x) { h = (h ^ x) * 0x9E3779B97F4A7C15u + (h >> 29); };
    const auto inputs = program_.inputs_of(step);
    mix(static_cast<std::size_t>(type_of(inputs[0]).shape.extent(-1)));
    for (std::size_t i = 1; i < inputs.size(); ++i) mix(inputs[i]);
    return h;
  }

  template <class F>
  void for_each_producer(std::uint32_t s, F f) const {
    for (const std::uint32_t input : program_.inputs_of(program_.steps[s])) {
      const std::uint32_t producer = program_.values[program_.home(input).owner].step;
      if (producer != Program::kNone) f(producer);
    }
  }
  std::vector<std::uint32_t> depths() const {
    std::vector<std::uint32_t> depth(program_.steps.size(), 0);
    for (const std::uint32_t s : program_.order) {
      for_each_producer(s, [&](std::uint32_t p) { depth[s] = std::max(depth[s], depth[p] + 1); });
    }
    return depth;
  }
  std::vector<std::uint32_t> heights() const {
    std::vector<std::uint32_t> height(program_.steps.size(), 0);
    for (std::size_t i = program_.order.size(); i-- > 0;) {
      const std::uint32_t s = program_.order[i];
      for_each_producer(s,
                        [&](std::uint32_t p) { height[p] = std::max(height[p], height[s] + 1); });
    }
    return height;
  }

  void run_together(const Values& steps) {
    changed_ = true;
    Values inputs, parts;
    std::int64_t rows = 0;
    for (const std::uint32_t s : steps) {
      parts.push_back(program_.inputs_of(program_.steps[s])[0]);
      rows += rows_of(s);
    }
    const Program::Step like = program_.steps[steps.front()];
    const auto old = program_.inputs_of(like);
    inputs.assign(old.begin(), old.end());
    inputs[0] = joined(parts, like);
    const std::uint32_t whole = program_.add_value(with_rows(type_of(like.output), rows));
    const std::uint32_t step = program_.add_step(Program::Kind::op, like.op, inputs, whole, like);
    // The first in time: of forward steps the first recorded, of backward steps the last.
    instead_[steps.front()] = step;
    std::int64_t offset = 0;
    for (const std::uint32_t s : steps) {
      const std::uint32_t part = program_.steps[s].output;
      program_.steps[s].removed = true;
      program_.make_alias(part, whole, offset);
      offset += static_cast<std::int64_t>(type_of(part).bytes());
    }
  }

  Program& program_;
  bool changed_ = false;
  Values instead_;  ///< per step: the new step that runs in its place in the order
  std::map<Values, std::uint32_t> joins_;
  RecycledVector<const Type*> types_;
};

}  // namespace

void batch(Program& program) {
  Batching batching(program);
  batching.merge_sums();
  batching.merge_rows(Batching::Level::depth);
  batching.merge_rows(Batching::Level::height);
}

}  // namespace unroll::passes
