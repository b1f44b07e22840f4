// Tensors as values.
#include <cstdint>
#include <limits>
#include <utility>

#include <unroll/autograd/error.h>
#include <unroll/autograd/tensor.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;

TEST_CASE("a copy behaves like a copy and shares until somebody writes", "[tensor]") {
  Tensor a(Shape{2, 2}, {1.0f, 2.0f, 3.0f, 4.0f});
  Tensor b = a;
  CHECK(a.raw() == b.raw());
  b.mutable_data<float>()[0] = 9;
  CHECK(a.at(0) == 1);
  CHECK(b.at(0) == 9);
  CHECK(a.raw() != b.raw());

  const void* before = a.raw();
  a.mutable_data<float>()[1] = 5;  // nobody shares: in place
  CHECK(a.raw() == before);

  Tensor flat = a.reshaped(Shape{4});
  CHECK(flat.raw() == a.raw());
  flat.mutable_data<float>()[3] = -1;
  CHECK(a.at(3) == 4);
}

TEST_CASE("a write through one of three copies is seen by that one only", "[tensor]") {
  Tensor a = Tensor::full(Shape{3}, 7, Dtype::int32), b = a, c = b;
  std::as_const(b).data<std::int32_t>();  // reading copies nothing
  CHECK(b.raw() == a.raw());
  b.mutable_data<std::int32_t>()[2] = 0;
  CHECK(a.at(2) == 7);
  CHECK(b.at(2) == 0);
  CHECK(c.at(2) == 7);
  CHECK(a.raw() == c.raw());
}

TEST_CASE("tensors are made of zeros, numbers or values", "[tensor]") {
  CHECK(Tensor().shape() == Shape{0});
  const Tensor zeros(Shape{2, 3}, Dtype::float64);
  for (const double x : zeros.data<double>()) CHECK(x == 0);
  CHECK(zeros.bytes() == 48);
  const Tensor twos = Tensor::full(Shape{4}, 2.9, Dtype::int32);
  for (const std::int32_t x : twos.data<std::int32_t>()) CHECK(x == 2);
  CHECK(Tensor::scalar(0.5).item() == 0.5);
  CHECK(Tensor::scalar(0.5).shape().rank() == 0);
  CHECK(Tensor::scalar(2, Dtype::bool_).item() == 1);
  CHECK(Tensor(Shape{2}, {true, false}).dtype() == Dtype::bool_);
  CHECK(Tensor(Shape{2}, std::vector<std::int32_t>{1, 2}).at(1) == 2);
  CHECK_THROWS_AS((Tensor(Shape{3}, {1.0, 2.0})), ShapeError);
  CHECK(contains(thrown_message([] { Tensor(Shape{3}, {1.0, 2.0}); }), "2 values for shape [3]"));
}

TEST_CASE("buffers start at a cache line", "[tensor]") {
  for (const std::int64_t n : {0, 1, 3, 17, 1000}) {
    const Tensor tensor(Shape{n});
    CHECK(reinterpret_cast<std::uintptr_t>(tensor.raw()) % kAlignment == 0);
  }
}

TEST_CASE("empty tensors are tensors", "[tensor]") {
  const Tensor empty(Shape{0, 3});
  CHECK(empty.size() == 0);
  CHECK(empty.data<float>().empty());
  CHECK(empty.to(Dtype::int32).dtype() == Dtype::int32);
  CHECK(empty.reshaped(Shape{5, 0}).shape() == Shape{5, 0});
  CHECK(empty.identical(Tensor(Shape{0, 3})));
  CHECK_FALSE(empty.identical(Tensor(Shape{3, 0})));
  CHECK(to_string(empty) == "float32 [0, 3] {}");
  CHECK_THROWS_AS(empty.item(), ShapeError);
}

TEST_CASE("the element type is checked", "[tensor]") {
  Tensor tensor(Shape{2});
  CHECK_THROWS_AS(tensor.data<double>(), DtypeError);
  CHECK_THROWS_AS(tensor.mutable_data<std::int32_t>(), DtypeError);
  CHECK_THROWS_AS(tensor.data<bool>(), DtypeError);
  const std::string message = thrown_message([&] { tensor.data<double>(); });
  CHECK(contains(message, "float32"));
  CHECK(contains(message, "float64"));
}

TEST_CASE("elements are read with a check", "[tensor]") {
  const Tensor tensor(Shape{2, 2}, {1.0, 2.0, 3.0, 4.0});
  CHECK(tensor.at(3) == 4);
  CHECK_THROWS_AS(tensor.at(4), ValueError);
  CHECK_THROWS_AS(tensor.at(-1), ValueError);
  CHECK_THROWS_AS(tensor.item(), ShapeError);
  CHECK(Tensor(Shape{1, 1}, {8.0}).item() == 8);
  CHECK_THROWS_AS(tensor.reshaped(Shape{3}), ShapeError);
}

TEST_CASE("conversion goes element by element", "[tensor]") {
  const Tensor values(Shape{5}, {-1.75, 0.0, 0.25, 2.0, 3.99});
  const Tensor whole = values.to(Dtype::int32);
  const std::vector<std::int32_t> expected{-1, 0, 0, 2, 3};
  CHECK(whole.identical(Tensor(Shape{5}, expected)));
  CHECK(values.to(Dtype::bool_).identical(Tensor(Shape{5}, {true, false, true, true, true})));
  CHECK(whole.to(Dtype::float64).at(0) == -1);
  CHECK(Tensor(Shape{2}, {true, false}).to(Dtype::float32).at(0) == 1);
  CHECK(values.to(Dtype::float32).to(Dtype::float64).at(4) == static_cast<double>(3.99f));
  const Tensor same = values.to(Dtype::float64);
  CHECK(same.raw() == values.raw());
  // float32 holds 24 bits of an integer, no more.
  const Tensor large(Shape{1}, {16777217});
  CHECK(large.to(Dtype::float32).item() == 16777216.0);
  CHECK(large.to(Dtype::float64).item() == 16777217.0);
}

TEST_CASE("numbers beyond int32 become its limits, NaN becomes 0", "[tensor]") {
  const double inf = std::numeric_limits<double>::infinity();
  const Tensor far(Shape{4}, {1e20, -inf, 2147483648.0, std::nan("")});
  const std::vector<std::int32_t> expected{2147483647, -2147483647 - 1, 2147483647, 0};
  CHECK(far.to(Dtype::int32).identical(Tensor(Shape{4}, expected)));
  CHECK(far.to(Dtype::float32).to(Dtype::int32).identical(Tensor(Shape{4}, expected)));
  CHECK(Tensor::full(Shape{1}, -1e300, Dtype::int32).item() == -2147483648.0);
}

TEST_CASE("identical compares bits", "[tensor]") {
  const Tensor zero(Shape{1}, {0.0}), minus_zero(Shape{1}, {-0.0}), nan(Shape{1}, {std::nan("")});
  CHECK(zero.identical(zero));
  CHECK_FALSE(zero.identical(minus_zero));
  CHECK(nan.identical(nan));
  CHECK_FALSE(zero.identical(Tensor(Shape{1}, {0.0f})));
  CHECK_FALSE(zero.identical(Tensor(Shape{1, 1}, {0.0})));
}

TEST_CASE("tensors print their type and the first elements", "[tensor]") {
  CHECK(to_string(Tensor(Shape{2, 2}, {1.0, 2.5, -3.0, 4.0})) == "float64 [2, 2] {1, 2.5, -3, 4}");
  CHECK(to_string(Tensor(Shape{3}), 2) == "float32 [3] {0, 0, ...}");
  CHECK(to_string(Tensor(Shape{2}, {true, false})) == "bool [2] {1, 0}");
}

TEST_CASE("dtypes know their size and name", "[tensor]") {
  CHECK(size_of(Dtype::float32) == 4);
  CHECK(size_of(Dtype::float64) == 8);
  CHECK(size_of(Dtype::int32) == 4);
  CHECK(size_of(Dtype::bool_) == 1);
  CHECK(name_of(Dtype::bool_) == "bool");
  CHECK(is_floating(Dtype::float64));
  CHECK_FALSE(is_floating(Dtype::int32));
  CHECK(dtype_of<std::int32_t>() == Dtype::int32);
}

TEST_CASE("a tensor that was moved from is empty and can be used", "[tensor]") {
  Tensor a(Shape{2}, {1.0f, 2.0f});
  const Tensor b = std::move(a);
  CHECK(b.at(1) == 2);
  // NOLINTBEGIN(bugprone-use-after-move): that is what it is about
  CHECK(a.identical(Tensor()));
  CHECK(a.shape() == Shape{0});
  CHECK(a.raw() != nullptr);
  CHECK(a.mutable_data<float>().empty());
  CHECK_THROWS_AS(a.at(0), ValueError);
  a = b;
  // NOLINTEND(bugprone-use-after-move)
  CHECK(a.identical(b));
  a = std::move(a);  // NOLINT: even that
  CHECK(a.identical(b));
}

TEST_CASE("the elements of a temporary live as long as they are held", "[tensor]") {
  const auto make = [] { return Tensor(Shape{3}, {1.0f, 2.0f, 3.0f}); };
  const auto held = make().data<float>();
  CHECK(held.size() == 3);
  CHECK(held[2] == 3);
  float total = 0;
  for (const float x : make().data<float>()) total += x;
  CHECK(total == 6);
  CHECK_THROWS_AS(make().data<double>(), DtypeError);
}
