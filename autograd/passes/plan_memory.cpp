// Pass: liveness, and places in one block of work memory. Linear in the number of steps.
#include <algorithm>
#include <array>

#include <unroll/autograd/arena.h>
#include <unroll/autograd/program.h>
#include <unroll/autograd/size_class.h>

namespace unroll::passes {

namespace {

/// Free places by size class.
class Places {
 public:
  std::int64_t take(std::size_t bytes) {
    const std::size_t index = size_class(bytes);
    auto& free = free_[index];
    if (!free.empty()) {
      const std::int64_t place = free.back();
      free.pop_back();
      return place;
    }
    const auto place = static_cast<std::int64_t>(end_);
    end_ += bytes_of_class(index) + (bytes < kPage ? 0 : kSkew);
    return place;
  }
  void give_back(std::int64_t place, std::size_t bytes) {
    free_[size_class(bytes)].push_back(place);
  }
  std::size_t end() const { return end_; }

 private:
  /// Arrays at equal distances from page starts compete for the same lines of the first-level
  /// cache; a few lines between them keep a dozen operands of one step apart.
  static constexpr std::size_t kPage = 4096, kSkew = 5 * kAlignment;

  std::array<std::vector<std::int64_t>, kSizeClasses> free_;
  std::size_t end_ = 0;
};

class Planner {
 public:
  Planner(Program& program, bool reuse)
      : program_(program), reuse_(reuse), live_(program.values.size(), false) {}

  void run() {
    find_last_uses();
    const auto count = static_cast<std::uint32_t>(program_.order.size());
    for (std::uint32_t i = 0; i < count; ++i) {
      const Program::Step& step = program_.steps[program_.order[i]];
      for (const std::uint32_t output : program_.outputs_of(step)) {
        const std::uint32_t owner = program_.home(output).owner;
        if (!needs_place(owner) || program_.values[owner].place >= 0) continue;
        value(owner).place = places_.take(value(owner).type->bytes());
        live_[owner] = true;
      }
      for (const std::uint32_t input : program_.inputs_of(step)) release_if_dead(input, i);
      for (const std::uint32_t output : program_.outputs_of(step)) release_if_dead(output, i);
    }
    program_.work_bytes = places_.end();
  }

 private:
  Program::Value& value(std::uint32_t v) { return program_.values[v]; }
  /// Computed in this run, and gone after it.
  bool needs_place(std::uint32_t owner) const {
    const Program::Value& value = program_.values[owner];
    return !value.keep && !value.shared && value.step != Program::kNone;
  }

  void find_last_uses() {
    const auto count = static_cast<std::uint32_t>(program_.order.size());
    for (std::uint32_t i = 0; i < count; ++i) {
      const Program::Step& step = program_.steps[program_.order[i]];
      for (const std::uint32_t input : program_.inputs_of(step)) {
        value(program_.home(input).owner).last_use = i;
      }
      for (const std::uint32_t output : program_.outputs_of(step)) {
        value(program_.home(output).owner).last_use = i;
      }
    }
  }

  bool dies_at(std::uint32_t owner, std::uint32_t i) const {
    return reuse_ && live_[owner] && program_.values[owner].last_use == i;
  }

  void release_if_dead(std::uint32_t v, std::uint32_t i) {
    const std::uint32_t owner = program_.home(v).owner;
    if (!dies_at(owner, i)) return;
    places_.give_back(value(owner).place, value(owner).type->bytes());
    live_[owner] = false;
  }

  Program& program_;
  bool reuse_;
  Places places_;
  std::vector<bool> live_;
};

}  // namespace

void plan_memory(Program& program, bool reuse) { Planner(program, reuse).run(); }

}  // namespace unroll::passes
