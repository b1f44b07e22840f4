// Float products against the double ones, for every instruction set of this CPU.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <vector>

#include <unroll/autograd/tape.h>
#include <unroll/ops/kernels/gemm.h>
#include <unroll/ops/kernels/simd.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;

namespace {

using Index = std::int64_t;
using Floats = std::vector<float>;

/// Numbers in [-1, 1) that look random.
Floats numbers(Index count, std::uint32_t seed) {
  Floats values(static_cast<std::size_t>(count));
  for (float& value : values) {
    seed = seed * 1664525u + 1013904223u;
    value = static_cast<float>(seed >> 8) / 8388608.0f - 1.0f;
  }
  return values;
}

class AlignedFloats {
 public:
  explicit AlignedFloats(std::size_t count)
      : data_(static_cast<float*>(::operator new(count * sizeof(float), std::align_val_t(64)))) {}
  float* data() const { return data_.get(); }

 private:
  struct Free {
    void operator()(float* p) const { ::operator delete(p, std::align_val_t(64)); }
  };
  std::unique_ptr<float, Free> data_;
};

/// start + a b in double; start may be empty.
std::vector<double> expected(const GemmShape& s, const Floats& a, const Floats& b,
                             const Floats& start) {
  const std::vector<double> wide_a(a.begin(), a.end()), wide_b(b.begin(), b.end());
  std::vector<double> c(static_cast<std::size_t>(s.m * s.n));
  for (std::size_t i = 0; i < start.size(); ++i) c[i] = start[i];
  gemm(s, wide_a.data(), wide_b.data(), c.data(), true);
  return c;
}

/// The largest difference, in units of what k roundings of a sum of k terms below 1 may cost.
double worst_error(std::span<const float> c, const std::vector<double>& truth, Index k) {
  double worst = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    const double difference = std::abs(static_cast<double>(c[i]) - truth[i]);
    worst = difference <= worst ? worst : difference;  // NaN is the worst
  }
  const double sum = static_cast<double>(k) + 1;
  return worst / (sum * std::sqrt(sum) * std::numeric_limits<float>::epsilon());
}

/// To bfloat16 and back, halves to even.
Floats rounded_to_bf16(Floats values) {
  for (float& value : values) {
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    bits = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000u;
    std::memcpy(&value, &bits, sizeof bits);
  }
  return values;
}

Floats transpose(const Floats& x, Index rows, Index columns) {
  Floats y(x.size());
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < columns; ++j) {
      y[static_cast<std::size_t>(j * rows + i)] = x[static_cast<std::size_t>(i * columns + j)];
    }
  }
  return y;
}

bool same_bits(const float* a, const float* b, Index count) {
  return count == 0 || std::memcmp(a, b, static_cast<std::size_t>(count) * sizeof(float)) == 0;
}

}  // namespace

TEST_CASE("gemm: every layout and remainder") {
  const Index rows[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 13, 17, 33, 65, 70};
  const Index columns[] = {0, 1, 2, 3, 5, 15, 16, 17, 31, 33, 47, 48, 49, 64, 97, 193};
  for (const Index m : rows) {
    for (const Index n : columns) {
      for (const Index k : {0, 1, 2, 15, 16, 17, 33}) {
        const Floats a = numbers(m * k, 1), b = numbers(k * n, 2), before = numbers(m * n, 3);
        for (int layout = 0; layout < 4; ++layout) {
          const GemmShape shape{m, n, k, (layout & 1) != 0, (layout & 2) != 0};
          CAPTURE(m, n, k, layout);
          Floats c = before;
          gemm(shape, a.data(), b.data(), c.data(), true);
          REQUIRE(worst_error(c, expected(shape, a, b, before), k) <= 1);
          c.assign(c.size(), std::numeric_limits<float>::quiet_NaN());
          gemm(shape, a.data(), b.data(), c.data(), false);
          REQUIRE(worst_error(c, expected(shape, a, b, {}), k) <= 1);
        }
      }
    }
  }
}

TEST_CASE("gemm: more than one block of each extent") {
  const std::vector<GemmShape> shapes{{600, 520, 400}, {70, 1600, 30},  {20, 200, 800},
                                      {3, 2000, 900},  {1, 1024, 1000}, {530, 40, 1200},
                                      {96, 1200, 530}, {1024, 113, 600}};
  for (GemmShape shape : shapes) {
    const Floats a = numbers(shape.m * shape.k, 1), b = numbers(shape.k * shape.n, 2);
    for (int layout = 0; layout < 4; ++layout) {
      shape.transpose_a = (layout & 1) != 0;
      shape.transpose_b = (layout & 2) != 0;
      CAPTURE(shape.m, shape.n, shape.k, layout);
      Floats c(static_cast<std::size_t>(shape.m * shape.n));
      gemm(shape, a.data(), b.data(), c.data(), false);
      CHECK(worst_error(c, expected(shape, a, b, {}), shape.k) <= 1);
    }
  }
}

TEST_CASE("gemm: an element has the same bits in every layout and number of rows") {
  const Index m = 601, n = 523, k = 790;
  const Floats a = numbers(m * k, 1), b = numbers(k * n, 2);
  const Floats at = transpose(a, m, k), bt = transpose(b, k, n);
  Floats whole(static_cast<std::size_t>(m * n)), c(whole.size());
  gemm({m, n, k}, a.data(), b.data(), whole.data(), false);
  for (int layout = 1; layout < 4; ++layout) {
    const bool ta = (layout & 1) != 0, tb = (layout & 2) != 0;
    gemm({m, n, k, ta, tb}, (ta ? at : a).data(), (tb ? bt : b).data(), c.data(), false);
    CAPTURE(layout);
    CHECK(same_bits(c.data(), whole.data(), m * n));
  }
  const AlignedFloats packed(packed_size(k, n) / sizeof(float));
  pack(b.data(), k, n, false, packed.data());
  for (const Index rows : {1, 2, 3, 4, 5, 8, 11, 64, 65, 300}) {
    CAPTURE(rows);
    const Index from = m - rows;
    gemm({rows, n, k}, a.data() + from * k, b.data(), c.data(), false);
    CHECK(same_bits(c.data(), whole.data() + from * n, rows * n));
    gemm({rows, n, k, false, true}, a.data() + from * k, bt.data(), c.data(), false);
    CHECK(same_bits(c.data(), whole.data() + from * n, rows * n));
    gemm_packed(rows, n, k, a.data() + from * k, k, packed.data(), nullptr, c.data(), n, false);
    CHECK(same_bits(c.data(), whole.data() + from * n, rows * n));
  }
}

TEST_CASE("gemm: rows a multiple of 4 KiB apart") {
  const Index wide = 1024;
  for (const Index rows : {7, 20, 131, 530}) {
    for (const Index n : {90, 97, 256}) {
      CAPTURE(rows, n);
      const Floats a = numbers(rows * wide, 1), b = numbers(rows * n, 2),
                   before = numbers(wide * n, 3);
      Floats c = before;
      gemm({wide, n, rows, true, false}, a.data(), b.data(), c.data(), true);
      CHECK(worst_error(c, expected({wide, n, rows, true, false}, a, b, before), rows) <= 1);
      const Floats untransposed = transpose(a, rows, wide);
      Floats same = before;
      gemm({wide, n, rows}, untransposed.data(), b.data(), same.data(), true);
      CHECK(same_bits(same.data(), c.data(), wide * n));

      const Floats w = numbers(wide * n, 4);
      const AlignedFloats packed(packed_size(wide, n) / sizeof(float));
      pack(w.data(), wide, n, false, packed.data());
      Floats whole(static_cast<std::size_t>(rows * wide), 5.0f), row(static_cast<std::size_t>(n));
      gemm_packed(rows, n, wide, a.data(), wide, packed.data(), nullptr, whole.data(), wide, false);
      Floats dense;
      bool gaps_kept = true, rows_alike = true;
      for (Index i = 0; i < rows; ++i) {
        const float* const from = whole.data() + i * wide;
        dense.insert(dense.end(), from, from + n);
        for (Index j = n; j < wide; ++j) gaps_kept = gaps_kept && from[j] == 5.0f;
        if (i % 13 != 0) continue;
        gemm_packed(1, n, wide, a.data() + i * wide, wide, packed.data(), nullptr, row.data(), n,
                    false);
        rows_alike = rows_alike && same_bits(row.data(), from, n);
      }
      CHECK(worst_error(dense, expected({rows, n, wide}, a, w, {}), wide) <= 1);
      CHECK(gaps_kept);
      CHECK(rows_alike);
    }
  }
}

TEST_CASE("gemm_packed: every remainder, with bias, strides and accumulation") {
  for (const Index n : {0, 1, 7, 16, 20, 33, 48, 64, 80, 97, 192, 200}) {
    for (const Index k : {0, 1, 5, 16, 30, 400}) {
      const Floats b = numbers(k * n, 2), bias = numbers(n, 4);
      REQUIRE(packed_size(k, n) % 64 == 0);
      const AlignedFloats packed(packed_size(k, n) / sizeof(float));
      const bool transposed = n % 2 == 1;
      pack(b.data(), k, n, transposed, packed.data());
      for (const Index m : {0, 1, 2, 3, 4, 6, 8, 9, 20}) {
        const Index lda = k + 3, ldc = n + 5;
        const Floats a = numbers(m * k, 1), before = numbers(m * ldc, 3);
        Floats wide_a(static_cast<std::size_t>(m * lda), std::numeric_limits<float>::quiet_NaN());
        for (Index i = 0; i < m * k; ++i) {
          wide_a[static_cast<std::size_t>(i / k * lda + i % k)] = a[static_cast<std::size_t>(i)];
        }
        for (int mode = 0; mode < 4; ++mode) {
          const bool accumulate = (mode & 1) != 0, has_bias = (mode & 2) != 0;
          CAPTURE(m, n, k, accumulate, has_bias);
          Floats c = before, start, rows;
          gemm_packed(m, n, k, wide_a.data(), lda, packed.data(), has_bias ? bias.data() : nullptr,
                      c.data(), ldc, accumulate);
          bool gaps_kept = true;
          for (Index i = 0; i < m * ldc; ++i) {
            const std::size_t at = static_cast<std::size_t>(i),
                              j = at % static_cast<std::size_t>(ldc);
            if (static_cast<Index>(j) >= n) {
              gaps_kept = gaps_kept && c[at] == before[at];
            } else {
              rows.push_back(c[at]);
              start.push_back((accumulate ? before[at] : 0) + (has_bias ? bias[j] : 0));
            }
          }
          REQUIRE(gaps_kept);
          REQUIRE(worst_error(rows, expected({m, n, k, false, transposed}, a, b, start), k) <= 1);
        }
      }
    }
  }
}

TEST_CASE("gemm kernels: the same products in every instruction set") {
  REQUIRE(!supported_simd().empty());
  CHECK(supported_simd().front().name == std::string(simd().name));
  CHECK(supported_simd().back().name == std::string("baseline"));
  for (const SimdKernels& table : supported_simd()) {
    const GemmKernels& kernels = table.gemm;
    for (const Index m : {1, 2, 3, 4, 5, 8, 9, 16, 21, 100}) {
      for (const Index n : {1, 4, 9, 16, 40, 48, 67, 192}) {
        for (const Index k : {0, 1, 20, 500}) {
          CAPTURE(table.name, m, n, k);
          const Floats a = numbers(m * k, 1), b = numbers(k * n, 2), bias = numbers(n, 3);
          const Index padded_m = (m + 15) / 16 * 16, padded_n = (n + 15) / 16 * 16;
          const AlignedFloats panels(static_cast<std::size_t>(padded_n * k));
          const AlignedFloats strips(static_cast<std::size_t>(padded_m * k));
          Floats c(static_cast<std::size_t>(m * n)), start(c.size());
          for (std::size_t i = 0; i < c.size(); ++i)
            start[i] = bias[i % static_cast<std::size_t>(n)];
          for (const bool transposed : {false, true}) {
            kernels.pack({k, n, b.data(), transposed ? k : n, transposed, kernels.panel_vectors,
                          panels.data()});
            GemmBlock block{};
            block.m = m;
            block.n = n;
            block.k = k;
            block.a = a.data();
            block.a_row = k;
            block.a_k = 1;
            block.b = panels.data();
            block.b_column = k;
            block.start = bias.data();
            block.c = c.data();
            block.c_row = n;
            kernels.multiply(block);
            REQUIRE(worst_error(c, expected({m, n, k, false, transposed}, a, b, start), k) <= 1);
            kernels.pack({k, m, a.data(), m, false, 1, strips.data()});
            block.a = strips.data();
            block.a_row = 1;
            block.a_k = block.a_strip_rows = kernels.width;
            block.a_strip = kernels.width * k;
            kernels.multiply(block);
            REQUIRE(worst_error(c, expected({m, n, k, true, transposed}, a, b, start), k) <= 1);
          }
        }
      }
    }
  }
}

TEST_CASE("transpose_matrix: every column count") {
  for (const Index rows : {0, 16, 48, 144, 512}) {
    for (const Index columns : {0, 1, 7, 16, 37, 128}) {
      CAPTURE(rows, columns);
      const Floats x = numbers(rows * columns, 1);
      Floats y(x.size());
      transpose_matrix(x.data(), rows, columns, y.data());
      CHECK(y == transpose(x, rows, columns));
    }
  }
}

TEST_CASE("gemm kernels: what is packed on the way is what is packed by itself") {
  for (const SimdKernels& table : supported_simd()) {
    const GemmKernels& kernels = table.gemm;
    for (const Index m : {3, 8, 100}) {
      for (const Index n : {5, 48, 200}) {
        for (const Index k : {1, 30, 900}) {
          const Floats a = numbers(m * k, 1), b = numbers(k * n, 2);
          const AlignedFloats panels(static_cast<std::size_t>((n + 15) / 16 * 16 * k));
          kernels.pack({k, n, b.data(), n, false, kernels.panel_vectors, panels.data()});
          Floats alone(static_cast<std::size_t>(m * n)), c(alone.size());
          GemmBlock block{};
          block.m = m;
          block.n = block.c_row = n;
          block.k = block.a_row = block.b_column = k;
          block.a = a.data();
          block.a_k = 1;
          block.b = panels.data();
          block.c = alone.data();
          kernels.multiply(block);
          for (const Index rows : {0, 1, 40, 700}) {
            for (const Index columns : {1, 15, 16, 35, 144}) {
              CAPTURE(table.name, m, n, k, rows, columns);
              const Floats next = numbers(rows * (columns + 3), 3);
              const auto count = static_cast<std::size_t>((columns + 15) / 16 * 16 * rows);
              Floats by_itself(count, 5.0f);  // vectors may be narrower than 16
              const AlignedFloats on_the_way(count);
              std::copy(by_itself.begin(), by_itself.end(), on_the_way.data());
              GemmPack pack{rows, columns, next.data(), columns + 3, false, 1, by_itself.data()};
              kernels.pack(pack);
              pack.out = on_the_way.data();
              block.ahead = &pack;
              block.c = c.data();
              kernels.multiply(block);
              REQUIRE(same_bits(on_the_way.data(), by_itself.data(), static_cast<Index>(count)));
              REQUIRE(same_bits(c.data(), alone.data(), m * n));
            }
          }
        }
      }
    }
  }
}

TEST_CASE("gemm_packed_bf16: float products of the rounded factors, one row like many") {
  if (!has_bf16()) return;
  for (const Index n : {0, 1, 7, 16, 33, 48, 97, 200}) {
    for (const Index k : {0, 1, 2, 5, 31, 32, 33, 63, 64, 65, 700}) {
      for (const bool transposed : {false, true}) {
        const Floats b = numbers(k * n, 2), bias = numbers(n, 3);
        REQUIRE(packed_size_bf16(k, n) % 64 == 0);
        const AlignedFloats packed(packed_size_bf16(k, n) / sizeof(float));
        pack_bf16(b.data(), k, n, transposed, packed.data());
        for (const Index m : {0, 1, 2, 3, 5, 8, 21, 400}) {
          CAPTURE(m, n, k, transposed);
          const Floats a = numbers(m * k, 1), columns = transpose(a, m, k);
          Floats c(static_cast<std::size_t>(m * n), std::numeric_limits<float>::quiet_NaN());
          const auto product = [&](Index first, Index rows, float* out, bool accumulate) {
            gemm_packed_bf16(rows, n, k, a.data() + first * k, k, false, packed.data(), bias.data(),
                             out, n, accumulate);
          };
          product(0, m, c.data(), false);
          Floats start;
          for (Index i = 0; i < m; ++i) start.insert(start.end(), bias.begin(), bias.end());
          const auto truth =
              expected({m, n, k, false, transposed}, rounded_to_bf16(a), rounded_to_bf16(b), start);
          REQUIRE(worst_error(c, truth, k) <= 1);
          Floats from_columns(c.size());
          gemm_packed_bf16(m, n, k, columns.data(), m, true, packed.data(), bias.data(),
                           from_columns.data(), n, false);
          REQUIRE(same_bits(from_columns.data(), c.data(), m * n));
          if (m == 0) continue;
          Floats last(static_cast<std::size_t>(n));
          product(m - 1, 1, last.data(), false);
          REQUIRE(same_bits(last.data(), c.data() + (m - 1) * n, n));
          last.assign(last.size(), 0);
          product(m - 1, 1, last.data(), true);
          REQUIRE(same_bits(last.data(), c.data() + (m - 1) * n, n));
        }
      }
    }
  }
}
