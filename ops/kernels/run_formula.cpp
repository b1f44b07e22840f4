// Runs a formula over broadcast operands, tile by tile: each primitive is one call per tile, and
// the tiles of a formula stay in the first-level cache.
#include <algorithm>
#include <array>
#include <cstring>

#include <unroll/ops/formula.h>
#include <unroll/ops/kernels/tile.h>

namespace unroll {

namespace {

constexpr std::int64_t kTile = 256;
constexpr std::size_t kMaxArguments = 12;

/// The output's axes with as many merged as all operands allow, and each operand's stride along
/// them: the innermost stride is 1 or 0, so that a row is a plain array or one number.
struct Loops {
  int rank = 0;
  std::array<std::int64_t, Shape::kMaxRank> extents{};
  std::array<std::array<std::int64_t, Shape::kMaxRank>, kMaxArguments> strides{};
};

Loops make_loops(const Shape& shape, std::span<const ConstView> inputs) {
  Loops loops;
  // Along a merged axis an operand must step like one array.
  const auto stride_of = [&](std::size_t i, int axis) {
    const Shape& s = inputs[i].shape();
    const int own = axis - (shape.rank() - s.rank());
    return own < 0 || s[own] == 1 ? std::int64_t{0} : s.product(own + 1, s.rank());
  };
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] == 1) continue;
    const auto n = static_cast<std::size_t>(loops.rank);
    bool merges = loops.rank > 0;
    for (std::size_t i = 0; merges && i < inputs.size(); ++i) {
      merges = loops.strides[i][n - 1] == stride_of(i, axis) * shape[axis];
    }
    const std::size_t at = merges ? n - 1 : n;
    loops.extents[at] = merges ? loops.extents[at] * shape[axis] : shape[axis];
    for (std::size_t i = 0; i < inputs.size(); ++i) loops.strides[i][at] = stride_of(i, axis);
    loops.rank = static_cast<int>(at) + 1;
  }
  if (loops.rank == 0) {
    loops.rank = 1;
    loops.extents[0] = 1;
  }
  return loops;
}

/// One formula over one row after another.
template <class T>
class Runner {
 public:
  static constexpr Dtype kDtype = dtype_of<T>();

  Runner(const Formula& formula, std::span<const ConstView> inputs,
         std::span<const double> parameters, const View& y, bool accumulate)
      : formula_(formula), inputs_(inputs), y_(y), accumulate_(accumulate) {
    const std::int64_t n = std::min(y.size(), kTile);
    for (std::size_t k = 0; k < parameters.size(); ++k) {
      std::fill_n(scalars_[k], n, static_cast<T>(parameters[k]));
    }
    for (std::size_t k = 0; k < formula.constants.size(); ++k) {
      std::fill_n(scalars_[parameters.size() + k], n, static_cast<T>(formula.constants[k]));
    }
  }

  /// Computes elements [first, first + n) of y; operand i starts at `starts[i]` and steps by
  /// `steps[i]`, 0 or 1.
  void row(std::int64_t first, std::int64_t n,
           const std::array<std::int64_t, kMaxArguments>& starts,
           const std::array<std::int64_t, kMaxArguments>& steps) {
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      if (steps[i] != 0) continue;
      T number = 0;
      read_as(inputs_[i].data, inputs_[i].dtype(), starts[i], 1, &number);
      std::fill_n(operands_[i], std::min(n, kTile), number);
    }
    for (std::int64_t done = 0; done < n; done += kTile) {
      const std::int64_t count = std::min(kTile, n - done);
      for (std::size_t i = 0; i < inputs_.size(); ++i) {
        if (steps[i] == 0) {
          arguments_[i] = operands_[i];
        } else if (inputs_[i].dtype() == kDtype) {
          arguments_[i] = inputs_[i].as<T>() + starts[i] + done;
        } else {
          read_as(inputs_[i].data, inputs_[i].dtype(), starts[i] + done, count, operands_[i]);
          arguments_[i] = operands_[i];
        }
      }
      tile(first + done, count);
    }
  }

 private:
  const T* operand(std::int16_t value) const {
    if (value < 0) return scalars_[static_cast<std::size_t>(formula_.parameters - 1 - value)];
    if (value < formula_.inputs) return arguments_[static_cast<std::size_t>(value)];
    if (value < formula_.arguments()) {
      return scalars_[static_cast<std::size_t>(value - formula_.inputs)];
    }
    const auto k = static_cast<std::size_t>(value - formula_.arguments());
    return registers_[static_cast<std::size_t>(formula_.instructions[k].target)];
  }

  void tile(std::int64_t first, std::int64_t n) {
    const bool direct = y_.dtype() == kDtype && !accumulate_;
    T* const destination = direct ? y_.as<T>() + first : nullptr;
    const auto last = static_cast<std::int16_t>(formula_.arguments() +
                                                static_cast<int>(formula_.instructions.size()) - 1);
    for (std::size_t k = 0; k < formula_.instructions.size(); ++k) {
      const Formula::Instruction& step = formula_.instructions[k];
      const int count = operand_count(step.code);
      const bool to_destination =
          direct && formula_.result == last && k + 1 == formula_.instructions.size();
      run_primitive(
          step.code, operand(step.operands[0]), count > 1 ? operand(step.operands[1]) : nullptr,
          count > 2 ? operand(step.operands[2]) : nullptr,
          to_destination ? destination : registers_[static_cast<std::size_t>(step.target)], n);
      if (to_destination) return;
    }
    const T* const result = operand(formula_.result);
    if (direct) {
      std::memmove(destination, result, static_cast<std::size_t>(n) * sizeof(T));
    } else if (accumulate_) {
      T* const sum = y_.as<T>() + first;
      run_primitive(Code::add, sum, result, nullptr, sum, n);
    } else {
      write_as(result, y_.data, y_.dtype(), first, n);
    }
  }

  const Formula& formula_;
  std::span<const ConstView> inputs_;
  View y_;
  bool accumulate_;
  std::array<const T*, kMaxArguments> arguments_{};
  alignas(64) T operands_[kMaxArguments][kTile];
  alignas(64) T scalars_[kMaxScalars][kTile];
  alignas(64) T registers_[kMaxRegisters][kTile];
};

template <class T>
void run_typed(const Formula& formula, std::span<const ConstView> inputs,
               std::span<const double> parameters, const View& y, bool accumulate) {
  const Loops loops = make_loops(y.shape(), inputs);
  Runner<T> runner(formula, inputs, parameters, y, accumulate);
  const auto inner = static_cast<std::size_t>(loops.rank - 1);
  const std::int64_t width = loops.extents[inner];
  std::array<std::int64_t, kMaxArguments> starts{}, steps{};
  for (std::size_t i = 0; i < inputs.size(); ++i) steps[i] = loops.strides[i][inner];
  std::array<std::int64_t, Shape::kMaxRank> position{};
  for (std::int64_t first = 0; first < y.size(); first += width) {
    runner.row(first, width, starts, steps);
    for (std::size_t axis = inner; axis-- > 0;) {  // next row, like an odometer
      ++position[axis];
      for (std::size_t i = 0; i < inputs.size(); ++i) starts[i] += loops.strides[i][axis];
      if (position[axis] < loops.extents[axis]) break;
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        starts[i] -= loops.strides[i][axis] * loops.extents[axis];
      }
      position[axis] = 0;
    }
  }
}

}  // namespace

void run_formula(const Formula& formula, std::span<const ConstView> inputs,
                 std::span<const double> parameters, const View& y, bool accumulate) {
  bool in_float = y.dtype() == Dtype::float32 || y.dtype() == Dtype::bool_;
  for (const ConstView& input : inputs) {
    in_float = in_float && (input.dtype() == Dtype::float32 || input.dtype() == Dtype::bool_);
  }
  if (y.size() == 0) return;
  if (in_float) {
    run_typed<float>(formula, inputs, parameters, y, accumulate);
  } else {
    run_typed<double>(formula, inputs, parameters, y, accumulate);
  }
}

}  // namespace unroll
