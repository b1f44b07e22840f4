// Runs fused formulas tile by tile: the values of a tile that only the formula needs stay in the
// first-level cache.
#include <algorithm>
#include <cstddef>

#include <unroll/autograd/arena.h>
#include <unroll/autograd/formula.h>
#include <unroll/ops/kernels/tile.h>

namespace unroll {

namespace {

// In elements. Shorter ones spend their time in calls.
constexpr std::int64_t kLongestTile = 256, kShortestTile = 64;
/// What all tiles of a formula may take together: about half of a first-level cache.
constexpr std::size_t kTileBytes = 24 * 1024;

template <class T>
class TileRunner {
 public:
  TileRunner(const FusedFormula& formula, std::span<const void* const> inputs,
             std::span<void* const> results)
      : f_(formula), inputs_(inputs), results_(results) {
    const std::size_t places =
        inputs.size() + formula.constants.size() + results.size() + formula.registers;
    tile_ = kLongestTile;
    while (tile_ > kShortestTile &&
           static_cast<std::size_t>(tile_) * sizeof(T) * places > kTileBytes) {
      tile_ /= 2;
    }
    tile_ = std::min<std::int64_t>(tile_, (formula.columns + 15) / 16 * 16);
    const std::size_t tile_bytes = static_cast<std::size_t>(tile_) * sizeof(T);
    const std::size_t table_bytes = aligned_size(places * sizeof(T*));
    thread_local WorkMemory tiles;
    std::byte* const memory = tiles.at_least(table_bytes + places * tile_bytes);
    table_ = reinterpret_cast<T**>(memory);
    for (std::size_t k = 0; k < places; ++k) {
      table_[k] = reinterpret_cast<T*>(memory + table_bytes + k * tile_bytes);
    }
    own_ = table_[0];
    for (std::size_t k = 0; k < formula.constants.size(); ++k) {
      std::fill_n(table_[inputs.size() + k], tile_, static_cast<T>(formula.constants[k]));
    }
  }

  void run() {
    for (std::int64_t row = 0; row < f_.rows; ++row) {
      for (std::size_t i = 0; i < inputs_.size(); ++i) {  // one number for the whole row
        const auto& in = f_.inputs[i];
        if (in.column_stride != 0 || (row > 0 && in.row_stride == 0)) continue;
        T number = 0;
        read_as(inputs_[i], in.dtype, row * in.row_stride, 1, &number);
        std::fill_n(own(i), std::min(tile_, f_.columns), number);
      }
      for (std::int64_t column = 0; column < f_.columns; column += tile_) {
        run_tile(row, column, std::min(tile_, f_.columns - column));
      }
    }
  }

 private:
  static constexpr Dtype kDtype = dtype_of<T>();
  T* own(std::size_t place) const { return own_ + static_cast<std::int64_t>(place) * tile_; }

  void run_tile(std::int64_t row, std::int64_t column, std::int64_t n) {
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      const auto& in = f_.inputs[i];
      if (in.column_stride == 0) continue;
      const std::int64_t at = row * in.row_stride + column;
      if (in.dtype == kDtype) {
        table_[i] = const_cast<T*>(static_cast<const T*>(inputs_[i])) + at;
        prefetch_after(table_[i], in, row, column, n);
      } else {
        read_as(inputs_[i], in.dtype, at, n, table_[i]);
      }
    }
    const std::size_t first_result = inputs_.size() + f_.constants.size();
    for (std::size_t i = 0; i < results_.size(); ++i) {
      const auto& out = f_.results[i];
      if (out.dtype == kDtype && !out.aside) {
        table_[first_result + i] = static_cast<T*>(results_[i]) + row * out.row_stride + column;
      }
    }
    for (const FusedFormula::Instruction& k : f_.instructions) {
      run_primitive(k.code, table_[k.operands[0]], table_[k.operands[1]], table_[k.operands[2]],
                    table_[k.target], n);
    }
    for (std::size_t i = 0; i < results_.size(); ++i) {
      const auto& out = f_.results[i];
      const std::int64_t at = row * out.row_stride + column;
      if (out.dtype != kDtype) {
        write_as(table_[first_result + i], results_[i], out.dtype, at, n);
      } else if (out.aside) {
        std::copy_n(table_[first_result + i], n, static_cast<T*>(results_[i]) + at);
      }
    }
  }

  /// What was computed long ago comes from far away: asks for the tile after this one.
  void prefetch_after(const T* tile, const FusedFormula::Layout& in, std::int64_t row,
                      std::int64_t column, std::int64_t n) const {
    constexpr std::int64_t kLine = 64 / sizeof(T);
    const bool in_row = column + n < f_.columns;
    if (!in_row && row + 1 == f_.rows) return;
    const T* const next = in_row ? tile + n : tile - column + in.row_stride;
    for (std::int64_t i = 0; i < n; i += kLine) __builtin_prefetch(next + i);
  }

  const FusedFormula& f_;
  std::span<const void* const> inputs_;
  std::span<void* const> results_;
  std::int64_t tile_;
  T** table_;
  T* own_;
};

}  // namespace

void run_fused(const FusedFormula& formula, std::span<const void* const> inputs,
               std::span<void* const> results) {
  if (formula.dtype == Dtype::float32) {
    TileRunner<float>(formula, inputs, results).run();
  } else {
    TileRunner<double>(formula, inputs, results).run();
  }
}

}  // namespace unroll
