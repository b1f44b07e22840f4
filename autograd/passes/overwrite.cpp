// Pass: pointwise steps write over operands that nobody reads any more, also where those are parts
// of a larger array. So the activated gates of a cell lie where its products were, and their
// gradients where they were: a training step walks over less memory, and what is written is in the
// caches, because it was just read.
#include <algorithm>
#include <span>
#include <tuple>
#include <utility>

#include <unroll/autograd/program.h>

namespace unroll::passes {

namespace {

/// Where a value lies: rows of `columns` bytes, each `stride` bytes after the last, in the memory
/// of an owner. One row has stride 0.
struct Part {
  std::uint32_t owner = Program::kNone;
  std::int64_t begin = 0, end = 0, columns = 0, stride = 0;
  bool operator==(const Part&) const = default;
};

bool overlap(const Part& a, const Part& b) {
  if (a.owner != b.owner || a.begin >= b.end || b.begin >= a.end) return false;
  if (a.stride == 0 || a.stride != b.stride) return true;
  // Columns go round: rows need not begin at a multiple of the stride.
  const std::int64_t ahead = ((b.begin - a.begin) % a.stride + a.stride) % a.stride;
  return ahead < a.columns || ahead + b.columns > a.stride;
}

/// Bytes. Shorter rows are better kept in one piece than apart: a step runs along it.
constexpr std::int64_t kShortRow = 1024;

class Overwriting {
 public:
  explicit Overwriting(Program& program) : program_(program) {}

  void run() {
    find_uses();
    find_pairs();
    for (const Pair& pair : pairs_) {
      if (pays(pair)) take_place(pair);
    }
    find_uses();
    is_given_.assign(program_.values.size(), false);
    std::vector<std::pair<std::uint32_t, std::uint32_t>> moves;  // all are found before any is made
    for (auto first = writes_.begin(); first != writes_.end();) {
      const std::uint32_t array = first->owner;
      const auto end =
          std::find_if(first, writes_.end(), [&](const Write& w) { return w.owner != array; });
      const std::uint32_t other =
          is_written_at_once(array) ? Program::kNone : place_for(array, {first, end});
      if (other != Program::kNone) {
        moves.emplace_back(array, other);
        is_given_[other] = true;
      }
      first = end;
    }
    for (const auto& [array, other] : moves) program_.make_alias(array, other, 0);
  }

 private:
  using Index = std::uint32_t;  ///< of a step in the order
  static constexpr Index kNever = Program::kNone;
  struct Use {
    Part part;
    Index at;
  };
  struct Write {
    std::uint32_t owner;
    Index at;
    std::uint32_t value;
  };
  /// A result and the operand whose place it takes.
  struct Pair {
    std::uint32_t result, operand;
    Index at;
  };

  Program::Value& value(std::uint32_t v) { return program_.values[v]; }
  const Program::Step& step_at(Index i) const { return program_.steps[program_.order[i]]; }
  std::int64_t bytes(std::uint32_t v) { return static_cast<std::int64_t>(value(v).type->bytes()); }

  Part part_of(std::uint32_t v) {
    const auto [owner, offset] = program_.home(v);
    const Type& type = *value(v).type;
    if (value(v).stride == 0) return {owner, offset, offset + bytes(v), bytes(v), 0};
    const auto size = static_cast<std::int64_t>(size_of(type.dtype));
    const std::int64_t columns = type.shape.extent(-1) * size, stride = value(v).stride * size;
    const std::int64_t rows = bytes(v) / std::max<std::int64_t>(columns, 1);
    return {owner, offset, offset + (rows - 1) * stride + columns, columns, stride};
  }

  /// Who reads or writes what, and when.
  void find_uses() {
    const std::size_t count = program_.values.size();
    uses_.clear();
    writes_.clear();
    last_use_.assign(count, 0);
    last_whole_.assign(count, 0);
    first_write_.assign(count, kNever);
    last_write_.assign(count, 0);
    longest_.assign(count, 0);
    plain_reads_.assign(count, 0);
    const auto occupied = [&](const Part& part, Index at) {
      if (part.columns == bytes(part.owner)) {
        last_whole_[part.owner] = at;
      } else {
        uses_.push_back({part, at});
        longest_[part.owner] = std::max(longest_[part.owner], part.end - part.begin);
      }
    };
    for (Index i = 0; i < program_.order.size(); ++i) {
      const Program::Step& step = step_at(i);
      for (const std::uint32_t v : program_.inputs_of(step)) {
        const Part part = part_of(v);
        last_use_[part.owner] = i;
        occupied(part, i);
        // Only fused steps read rows that lie apart, and only as the value that is marked so.
        if (step.kind != Program::Kind::fused) ++plain_reads_[v];
        for (std::uint32_t w = value(v).owner; w != Program::kNone; w = value(w).owner) {
          ++plain_reads_[w];
        }
      }
      for (const std::uint32_t v : program_.outputs_of(step)) {
        const std::uint32_t owner = program_.home(v).owner;
        first_write_[owner] = std::min(first_write_[owner], i);
        last_write_[owner] = last_use_[owner] = i;
        if (owner == v) continue;
        writes_.push_back({owner, i, v});
        occupied(part_of(v), i + 1);  // also by what nobody reads, or no element of it
      }
    }
    std::ranges::sort(uses_, {},
                      [](const Use& u) { return std::tuple(u.part.owner, u.part.begin); });
    std::ranges::stable_sort(writes_, {}, &Write::owner);
  }

  bool is_written_at_once(std::uint32_t owner) const {
    return first_write_[owner] == last_write_[owner];
  }

  /// Does nobody read any of `part` after step i, nor that step but as `operand`?
  bool is_free_after(const Part& part, Index i, std::uint32_t operand) {
    if (last_whole_[part.owner] > i) return false;
    for (const std::uint32_t other : program_.inputs_of(step_at(i))) {
      if (other != operand && overlap(part_of(other), part)) return false;
    }
    auto use = std::ranges::lower_bound(
        uses_, std::tuple(part.owner, part.begin - longest_[part.owner]), {},
        [](const Use& u) { return std::tuple(u.part.owner, u.part.begin); });
    for (; use != uses_.end() && use->part.owner == part.owner && use->part.begin < part.end;
         ++use) {
      if (use->at > i && overlap(use->part, part)) return false;
    }
    return true;
  }

  /// Memory of this run.
  bool is_ours(std::uint32_t owner) {
    return value(owner).step != Program::kNone && !value(owner).keep && !value(owner).shared;
  }

  /// Does the formula read the operand after it has written the result?
  bool reads_too_late(const Program::Step& step, std::size_t operand, std::size_t result) const {
    const FusedFormula& formula = program_.fused[step.output].formula;
    const std::size_t place = formula.inputs.size() + formula.constants.size() + result;
    bool written = false;
    for (const FusedFormula::Instruction& k : formula.instructions) {
      for (int i = 0; written && i < operand_count(k.code); ++i) {
        if (k.operands[static_cast<std::size_t>(i)] == operand) return true;
      }
      written = written || k.target == place;
    }
    return false;
  }

  // **** results with memory of their own ****

  /// Is the array larger than what one step needs, and has long rows? One that is written at once
  /// would leave memory that is still in the caches.
  bool may_lie_apart(const Part& part) const {
    return part.columns >= kShortRow && !is_written_at_once(part.owner);
  }

  void find_pairs() {
    pairs_.clear();
    gain_.assign(program_.values.size(), 0);
    std::vector<bool> is_taken;
    for (Index i = 0; i < program_.order.size(); ++i) {
      const Program::Step& step = step_at(i);
      const bool is_fused = step.kind == Program::Kind::fused;
      const bool is_elementwise = step.kind == Program::Kind::op && step.op->traits().elementwise;
      if (!is_fused && !is_elementwise) continue;
      const auto operands = program_.inputs_of(step);
      const auto results = program_.outputs_of(step);
      is_taken.assign(operands.size(), false);
      for (std::size_t r = 0; r < results.size(); ++r) {
        const Program::Value& result = value(results[r]);
        if (result.owner != Program::kNone || result.keep || !is_written_at_once(results[r])) {
          continue;
        }
        for (std::size_t k = 0; k < operands.size(); ++k) {
          const Part part = part_of(operands[k]);
          if (is_taken[k] || *value(operands[k]).type != *result.type || !is_ours(part.owner) ||
              (is_fused && reads_too_late(step, k, r)) ||
              (part.stride != 0 && !(is_fused && may_lie_apart(part))) ||
              !is_free_after(part, i, operands[k])) {
            continue;
          }
          is_taken[k] = true;
          pairs_.push_back({results[r], operands[k], i});
          gain_[part.owner] += bytes(results[r]);
          break;
        }
      }
    }
  }

  /// An array must not stay for a small part of it.
  bool pays(const Pair& pair) {
    const std::uint32_t owner = program_.home(pair.operand).owner;
    return last_use_[pair.result] <= last_use_[owner] || gain_[owner] >= bytes(owner);
  }

  void take_place(const Pair& pair) {
    const std::int64_t stride = value(pair.operand).stride;
    if (stride != 0 && plain_reads_[pair.result] > 0) return;
    const std::uint32_t step = value(pair.result).step;
    const auto [owner, offset] = program_.home(pair.operand);
    program_.make_alias(pair.result, owner, offset, stride);
    value(pair.result).step = step;
    last_use_[owner] = std::max(last_use_[owner], last_use_[pair.result]);
  }

  // **** arrays that are written part by part ****

  /// The array of which every part is read last, in the same place, by the step that writes that
  /// part of `array`; or kNone.
  std::uint32_t place_for(std::uint32_t array, std::span<const Write> writes) {
    if (!is_ours(array) || !program_.steps[value(array).step].removed) return Program::kNone;
    std::uint32_t other = Program::kNone;
    std::vector<FusedFormula::Layout*> late;
    for (const Write& write : writes) {
      const Program::Step& step = step_at(write.at);
      if (step.kind != Program::Kind::fused) return Program::kNone;
      const auto operands = program_.inputs_of(step);
      const auto fits = [&](std::uint32_t operand) {
        Part part = part_of(operand);
        const std::uint32_t owner = part.owner;
        part.owner = array;
        return owner != array && (other == Program::kNone || owner == other) &&
               part == part_of(write.value) && *value(operand).type == *value(write.value).type &&
               *value(owner).type == *value(array).type && is_ours(owner) && !is_given_[owner] &&
               is_free_after(part_of(operand), write.at, operand);
      };
      const auto operand = std::ranges::find_if(operands, fits);
      if (operand == operands.end()) return Program::kNone;
      other = part_of(*operand).owner;
      const auto results = program_.outputs_of(step);
      const auto r =
          static_cast<std::size_t>(std::ranges::find(results, write.value) - results.begin());
      if (reads_too_late(step, static_cast<std::size_t>(operand - operands.begin()), r)) {
        late.push_back(&program_.fused[step.output].formula.results[r]);
      }
    }
    for (FusedFormula::Layout* result : late) result->aside = true;
    return other;
  }

  Program& program_;
  std::vector<Use> uses_;      ///< of parts, by place
  std::vector<Write> writes_;  ///< of parts, by owner
  // Per owner:
  std::vector<Index> last_use_, last_whole_;  ///< read or written; read as a whole
  std::vector<Index> first_write_, last_write_;
  std::vector<std::int64_t> longest_;  ///< bytes from begin to end of a part that is read
  std::vector<bool> is_given_;         ///< its memory has been promised
  std::vector<std::int64_t> gain_;     ///< bytes of results that would lie there
  // Per value:
  std::vector<std::uint32_t> plain_reads_;  ///< all but those as rows of a fused step
  std::vector<Pair> pairs_;
};

}  // namespace

void overwrite(Program& program) { Overwriting(program).run(); }

}  // namespace unroll::passes
