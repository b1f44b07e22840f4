// Op: what the tape knows about an operation: its shape rule, its kernel, its derivative.
#pragma once

#include <cstddef>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <unroll/autograd/dtype.h>
#include <unroll/autograd/shape.h>

namespace unroll {

class Derivation;
class Op;
class Variable;
struct Formula;

/// Element type and extents: everything the shape rules work on.
struct Type {
  Dtype dtype = Dtype::float32;
  Shape shape;
  std::size_t bytes() const { return static_cast<std::size_t>(shape.size()) * size_of(dtype); }
  bool operator==(const Type&) const = default;
};

/// "float32 [2, 3]".
std::string to_string(const Type& type);

/// The plain constants of one recorded op (axes, flags, rates), as bytes on the tape.
/// They are copied bytewise, hence trivially copyable structs only; and compared bytewise, hence
/// structs without padding.
class Attributes {
 public:
  Attributes() = default;
  explicit Attributes(const std::byte* bytes) : bytes_(bytes) {}
  template <class T>
  requires std::is_trivially_copyable_v<T> T as()
  const {
    T result;
    std::memcpy(&result, bytes_, sizeof(T));
    return result;
  }

 private:
  const std::byte* bytes_ = nullptr;
};

/// What a shape rule sees: operand types and attributes.
struct Signature {
  std::span<const Type* const> inputs;
  Attributes attributes;
  const Type& input(std::size_t i) const { return *inputs[i]; }
};

/// A contiguous row-major block of memory with its type, as kernels see it.
struct ConstView {
  const void* data = nullptr;
  const Type* type = nullptr;
  const Shape& shape() const { return type->shape; }
  Dtype dtype() const { return type->dtype; }
  std::int64_t size() const { return type->shape.size(); }
  template <class T>
  const T* as() const {
    return static_cast<const T*>(data);
  }
};

struct View {
  void* data = nullptr;
  const Type* type = nullptr;
  const Shape& shape() const { return type->shape; }
  Dtype dtype() const { return type->dtype; }
  std::int64_t size() const { return type->shape.size(); }
  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
};

/// What a kernel sees. The output never overlaps an input, except where the op declared
/// `Traits::elementwise`: then it may be the very same block as an input of equal type.
struct KernelCall {
  std::span<const ConstView> inputs;
  View output;
  Attributes attributes;
  bool accumulate = false;  ///< add to the output instead of overwriting it (Traits::accumulates)
  const ConstView& input(std::size_t i) const { return inputs[i]; }
};

/// A part of an array: `rows` runs of `columns` elements, each `stride` elements after the last.
struct Region {
  std::int64_t offset = 0, rows = 1, columns = 0, stride = 0;
  /// One run without gaps?
  bool contiguous() const { return rows <= 1 || columns == stride; }
};

/// What an op promises about the rows (the leading axis) of its operands, so that a pass may run it
/// once on rows that were recorded apart.
enum class Rows {
  coupled,      ///< nothing
  independent,  ///< row i of the result takes row i of operand 0, and the others as a whole
  summed,       ///< rows of all operands together: op(a above b) = op(a) + op(b)
};

/// An op that reads one operand in a layout of its own: op(..., w, ...) with the same attributes
/// equals product(..., pack(w), ...).
struct Packing {
  const Op* pack = nullptr;  ///< null: there is none
  const Op* product = nullptr;
  std::size_t operand = 0;
  bool transposed = false;  ///< pack's attribute
};

/// One operation. An op is a constant with static storage duration: constructing it enters it into
/// `all_ops()`, and the tape refers to it by address.
class Op {
 public:
  struct Traits {
    bool elementwise = false;  ///< output element i depends on element i of equal-shaped inputs
    bool accumulates = false;  ///< the kernel honours KernelCall::accumulate
    bool internal = false;     ///< a derivative or engine node, never recorded by a user directly
    bool broadcasts = false;   ///< the result is operand 0 by NumPy's rule of broadcasting
    bool row_sparse = false;   ///< inputs (ids, rows): zeros with rows[k] added to row ids[k]
  };

  explicit Op(std::string name) : Op(std::move(name), Traits{}) {}
  Op(std::string name, Traits traits);
  Op(const Op&) = delete;
  Op& operator=(const Op&) = delete;
  virtual ~Op() = default;

  const std::string& name() const { return name_; }
  const Traits& traits() const { return traits_; }

  /// The type of the result. Throws ShapeError, DtypeError or ValueError; the tape puts the
  /// user's line and the op's name in front of the message.
  virtual Type infer(const Signature& call) const = 0;

  /// Computes the output. Not called for aliases, nor for what `placed` describes.
  virtual void run(const KernelCall& call) const = 0;

  /// How many of the operands, counted from the first, the kernel reads. The others only take part
  /// in differentiation and are not computed for this op.
  virtual std::size_t read_count(const Signature& call) const { return call.inputs.size(); }

  /// If the result is a contiguous part of input 0, its offset in bytes; else -1. Such a node
  /// costs nothing: it shares the memory of its input.
  virtual std::int64_t alias_offset(const Signature& call, const Type& output) const;

  // **** what the passes may use; the defaults promise nothing ****

  /// The op as a formula of its operands. Its attributes then begin with the formula's parameters,
  /// as doubles.
  virtual const Formula* formula() const { return nullptr; }
  virtual Rows row_rule(const Signature&) const { return Rows::coupled; }
  /// If op(b, a) is the cheaper way to op(a, b) when there are many rows: what makes of it op(a,
  /// b). That has no attributes. Sums of such results may then be turned instead of each.
  virtual const Op* turned(const Signature&) const { return nullptr; }
  /// The result is this region of operand 0, which is not contiguous.
  virtual std::optional<Region> taken(const Signature&) const { return std::nullopt; }
  /// If the result is its operands side by side, and zeros elsewhere: where each of them goes, in
  /// order of offset and with equal rows and strides. Empty otherwise.
  virtual std::vector<Region> placed(const Signature&) const { return {}; }
  /// `bf16`: both factors are to be rounded to bfloat16.
  virtual Packing packing(const Signature&, bool /*bf16*/) const { return {}; }
  /// How many of the first attribute bytes are data like a value, not structure: a program that
  /// differs in nothing else has the same plan. Numbers that a derivative rule records as constants
  /// must follow from structure alone.
  virtual std::size_t data_bytes() const { return 0; }

  /// Records the derivative: for each wanted input, `d.add(i, contribution)`.
  /// The default throws StateError: not differentiable.
  virtual void derive(Derivation& d) const;

  /// Bytes of the attributes that have to be recorded with the op.
  virtual std::size_t attribute_bytes() const { return 0; }

 private:
  std::string name_;
  Traits traits_;
};

/// Every op constructed so far, in order of construction.
std::vector<const Op*> all_ops();

}  // namespace unroll
