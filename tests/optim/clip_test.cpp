#include <unroll/optim/clip.h>

#include <limits>

#include <unroll/autograd/error.h>
#include <unroll/tests/optim/optimizer_cases.h>

using namespace unroll;

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE("clipping does what PyTorch's does") {
  for (const auto& recorded_clip : optimizer_cases().at("clips")) {
    INFO(recorded_clip.at("kind") << " " << recorded_clip.at("limit"));
    const ParameterSet set = recorded_parameters(dtype_from(recorded_clip.at("dtype")));
    Gradients gradients = recorded_gradients(set, optimizer_cases().at("clip_gradients"));
    const double limit = recorded_clip.at("limit");
    if (recorded_clip.at("kind") == "norm") {
      const double norm = optim::clip_norm(gradients, limit);
      CHECK(norm == Approx(recorded_clip.at("norm").get<double>()).epsilon(1e-7));
    } else {
      optim::clip_value(gradients, limit);
    }
    for (const Parameter& p : set) {
      INFO(p.name());
      check_close(gradients[p], recorded_clip.at("gradients").at(p.name()));
    }
  }
}

TEST_CASE("sparse rows are clipped as the table that they stand for") {
  const auto dtype = GENERATE(Dtype::float32, Dtype::float64);
  ParameterSet set(0, dtype);
  set.create("table", Tensor(Shape{4, 2}));
  const SparseRows rows{{3, 1, 3}, Tensor(Shape{3, 2}, {3., -1., 0.5, 4., 1., -1.}).to(dtype)};
  Gradients sparse(set);
  sparse.set(0, {std::nullopt, rows});
  Gradients dense(set);
  dense.set(0, {Gradient{std::nullopt, rows}.to_dense(Shape{4, 2}, dtype), {}});

  SECTION("norm") {
    CHECK(optim::clip_norm(sparse, 1) == optim::clip_norm(dense, 1));
    CHECK(sparse.norm() == Approx(1));
    for (std::int64_t i = 0; i < 8; ++i) {
      CHECK(sparse[set[0]].at(i) == Approx(dense[set[0]].at(i)).margin(1e-12));
    }
  }
  SECTION("value") {
    optim::clip_value(sparse, 1.5);
    optim::clip_value(dense, 1.5);
    CHECK(sparse[set[0]].identical(dense[set[0]]));
    CHECK(sparse[set[0]].at(6) == 1.5);
    CHECK(sparse[set[0]].at(7) == -1.5);
  }
}

TEST_CASE("clip_norm leaves gradients with NaN or infinity to the optimiser") {
  ParameterSet set;
  set.create("a", Tensor(Shape{2}));
  Gradients gradients(set);
  gradients.set(0, {Tensor(Shape{2}, {3.f, 4.f}), {}});
  CHECK(optim::clip_norm(gradients, kInfinity) == 5);
  CHECK(gradients[set[0]].at(1) == 4);

  gradients.set(0, {Tensor(Shape{2}, {3.f, float(kInfinity)}), {}});
  CHECK(optim::clip_norm(gradients, 1) == kInfinity);
  CHECK(gradients[set[0]].at(0) == 3);
  gradients.set(0, {Tensor(Shape{2}, {3.f, float(kNaN)}), {}});
  CHECK(std::isnan(optim::clip_norm(gradients, 1)));
  CHECK(gradients[set[0]].at(0) == 3);
  optim::clip_value(gradients, 1);
  CHECK(gradients[set[0]].at(0) == 1);
  CHECK(std::isnan(gradients[set[0]].at(1)));
}

TEST_CASE("limits that are negative or NaN are refused") {
  ParameterSet set;
  set.create("a", Tensor(Shape{2}));
  Gradients gradients(set);
  CHECK(optim::clip_norm(gradients, 1) == 0);
  gradients.set(0, {Tensor(Shape{2}, {3.f, 4.f}), {}});
  for (const double bad : {-1., kNaN}) {
    CHECK_THROWS_AS(optim::clip_norm(gradients, bad), ValueError);
    CHECK_THROWS_AS(optim::clip_value(gradients, bad), ValueError);
  }
  CHECK(thrown_message([&] { optim::clip_norm(gradients, -1); }) ==
        "clip_norm: max_norm is -1; expected a number >= 0");
  CHECK(gradients[set[0]].at(0) == 3);
}
