// one_hot    y[..., c] = 1 where c = ids[...], else 0;   no derivative
#include <algorithm>

#include <fmt/format.h>

#include <unroll/autograd/error.h>
#include <unroll/ops/checked_index.h>
#include <unroll/ops/indexing.h>

namespace unroll {

namespace {

struct OneHotAttributes {
  std::int64_t classes;
  Dtype dtype;
};

class OneHot final : public Op {
 public:
  OneHot() : Op("one_hot") {}

  Type infer(const Signature& call) const override {
    const auto a = call.attributes.as<OneHotAttributes>();
    const Type& ids = call.input(0);
    if (ids.dtype != Dtype::int32) {
      throw DtypeError(fmt::format("got {} ids; expected int32", name_of(ids.dtype)));
    }
    if (a.classes < 0) {
      throw ValueError(fmt::format("got {} classes; expected at least 0", a.classes));
    }
    return {a.dtype, ids.shape.inserted(ids.shape.rank(), a.classes)};
  }

  void run(const KernelCall& call) const override {
    with_element(call.output.dtype(), [&]<class T>(T*) {
      const ConstView& ids = call.input(0);
      const std::int64_t classes = call.output.shape().extent(-1);
      T* const y = call.output.as<T>();
      std::fill_n(y, call.output.size(), T{0});
      for (std::int64_t k = 0; k < ids.size(); ++k) {
        y[k * classes + checked_index(ids, k, classes)] = T{1};
      }
    });
  }

  std::size_t attribute_bytes() const override { return sizeof(OneHotAttributes); }
};

const OneHot kOneHot;

}  // namespace

Variable one_hot(const Operand& ids, std::int64_t classes, Dtype dtype) {
  return record(kOneHot, {ids}, OneHotAttributes{classes, dtype});
}

}  // namespace unroll
