// A right call of every op.
#include <unroll/autograd/gradients.h>
#include <unroll/ops/ops.h>
#include <unroll/tests/faults/calls.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

const std::string kShapes = "rank* axis*";           // any shape will do
const std::string kFloating = kShapes + " float64";  // and any floating dtype
const std::string kUnary = kFloating + " bool";      // which counts as 0 and 1
const std::string kAny = kShapes + " float64 int32 bool";

Call unary(const char* name, Variable (*f)(const Operand&), const std::string& accepts = kUnary) {
  return {
      name, {array("x", {2, 3}, 1, 0.1, 0.9).but(accepts)}, [f](World& w) { return f(w.x(0)); }};
}

Call binary(const char* name, Variable (*f)(const Operand&, const Operand&)) {
  return {name,
          {array("a", {2, 3}, 1, 0.1, 0.9).but("rank* axis0* bool"),
           array("b", {3}, 2, 0.1, 0.9).but("rank* bool")},
          [f](World& w) { return f(w.x(0), w.x(1)); }};
}

const Line kPointwise[] = {
    binary("add", add),
    binary("sub", sub),
    binary("mul", mul),
    binary("div", unroll::div),
    binary("pow", unroll::pow),
    binary("min", unroll::min),
    binary("max", unroll::max),
    binary("less", unroll::less),
    binary("less_equal", unroll::less_equal),
    binary("greater", unroll::greater),
    binary("greater_equal", unroll::greater_equal),
    binary("equal", unroll::equal),
    binary("not_equal", unroll::not_equal),
    unary("neg", neg, kAny),
    unary("square", unroll::square, kAny),
    unary("sqrt", unroll::sqrt),
    unary("rsqrt", rsqrt),
    unary("exp", unroll::exp),
    unary("expm1", unroll::expm1),
    unary("log", unroll::log),
    unary("log1p", unroll::log1p),
    unary("sin", unroll::sin),
    unary("cos", unroll::cos),
    unary("erf", unroll::erf),
    unary("abs", unroll::abs, kAny),
    unary("sign", unroll::sign, kAny),
    unary("tanh", unroll::tanh),
    unary("sigmoid", unroll::sigmoid),
    unary("relu", relu, kAny),
    unary("gelu", gelu),
    unary("silu", silu),
    unary("softplus", softplus),
    unary("softsign", softsign),
    unary("detach", detach, kAny),
    Call{"clamp",
         {array("x", {2, 3}).but(kUnary), number("low", -0.5, [](double x) { return x <= 0.5; }),
          number("high", 0.5, [](double x) { return x >= -0.5; })},
         [](World& w) { return clamp(w.x(0), w.d(1), w.d(2)); }},
    Call{"leaky_relu",
         {array("x", {2, 3}).but(kUnary), number("slope", 0.1, any_number)},
         [](World& w) { return leaky_relu(w.x(0), w.d(1)); }},
    Call{"elu",
         {array("x", {2, 3}).but(kUnary), number("alpha", 0.1, any_number)},
         [](World& w) { return elu(w.x(0), w.d(1)); }},
    Call{"where",
         {mask("condition", {3}).but("rank* float32"), array("a", {2, 3}).but("rank* axis0* bool"),
          array("b", {2, 3}, 2).but("rank* axis0* bool")},
         [](World& w) { return where(w.x(0), w.x(1), w.x(2)); }},
    Call{"dropout",
         {array("x", {2, 3}).but(kUnary), number("rate", 0.5, fraction)},
         [](World& w) { return dropout(w.x(0), w.d(1)); }},
    Call{"dropout_mask",
         {array("like", {2, 3}).but(kUnary), number("rate", 0.5, fraction)},
         [](World& w) { return dropout_mask(w.x(0), w.d(1)); }},
};

const Line kIndexing[] = {
    Call{"rows",
         {array("table", {5, 2}).but("axis* float64"), ids("ids", {3, 2}, 5).but(kShapes)},
         [](World& w) { return rows(w.x(0), w.x(1)); }},
    Call{"take_rows",
         {array("x", {5, 2}).but("rank* axis* float64 int32 bool"),
          ids("ids", {3, 2}, 5, -1).but(kShapes)},
         [](World& w) { return take_rows(w.x(0), w.x(1)); }},
    Call{"gather",
         {array("x", {3, 4}).but("axis* float64 int32 bool"), axis(1, 2),
          ids("index", {2, 3}, 4).but("axis*")},
         [](World& w) { return gather(w.x(0), w.i(1), w.x(2)); }},
    Call{"scatter_add",
         {array("x", {3, 4}).but("axis*"), axis(1, 2), ids("index", {2, 3}, 4).but("axis*"),
          array("source", {2, 4}, 2).but("axis*")},
         [](World& w) { return scatter_add(w.x(0), w.i(1), w.x(2), w.x(3)); }},
    Call{"one_hot",
         {ids("ids", {3, 2}, 5).but(kShapes), whole("classes", 5, 0, 0x1p45)},
         [](World& w) { return one_hot(w.x(0), w.n(1)); }},
};

const Line kProducts[] = {
    Call{"matmul",
         {array("a", {2, 3}).but("rank* axis0*"), array("b", {3, 4}, 2).but("rank+ axis1*")},
         [](World& w) { return matmul(w.x(0), w.x(1)); }},
    Call{"affine",
         {array("x", {2, 3}).but("rank* axis0*"), array("w", {3, 4}, 2), array("b", {4}, 3)},
         [](World& w) { return affine(w.x(0), w.x(1), w.x(2)); }},
    Call{
        "linear",
        {array("x", {2, 3}).but("rank* axis0*"), array("weight", {4, 3}, 2), array("bias", {4}, 3)},
        [](World& w) { return linear(w.x(0), w.x(1), w.x(2)); }},
    Call{"linear",
         {array("x", {2, 3}).but("rank* axis0*"), array("weight", {4, 3}, 2).but("axis0*")},
         [](World& w) { return linear(w.x(0), w.x(1)); }},
    Call{
        "dot", {array("a", {3}), array("b", {3}, 2)}, [](World& w) { return dot(w.x(0), w.x(1)); }},
    Call{"outer",
         {array("a", {3}).but("axis* bool"), array("b", {2}, 2).but("axis* bool")},
         [](World& w) { return outer(w.x(0), w.x(1)); }},
};

Call loss(const char* name, Variable (*call)(World& w)) {
  return {name,
          {array("x", {2, 3}).but("bool"), array("target", {2, 3}, 2, 0.1, 0.9).but("bool")},
          call};
}

const Line kLosses[] = {
    Call{"cross_entropy",
         {array("logits", {2, 5}).but("float64 axis1*"), ids("targets", {2}, 5),
          number("label_smoothing", 0.1, fraction)},
         [](World& w) { return cross_entropy(w.x(0), w.x(1), {.label_smoothing = w.d(2)}); }},
    loss("mse_loss", [](World& w) { return mse_loss(w.x(0), w.x(1)); }),
    loss("l1_loss", [](World& w) { return l1_loss(w.x(0), w.x(1)); }),
    loss("binary_cross_entropy", [](World& w) { return binary_cross_entropy(w.x(0), w.x(1)); }),
    loss("kl_divergence", [](World& w) { return kl_divergence(w.x(0), w.x(1)); }),
    Call{"huber_loss",
         {array("x", {2, 3}).but("bool"), array("target", {2, 3}, 2).but("bool"),
          number("delta", 1, [](double x) { return x > 0; })},
         [](World& w) { return huber_loss(w.x(0), w.x(1), w.d(2)); }},
};

Call reduction(const char* name, Variable (*call)(World& w)) {
  return {name, {array("x", {2, 3}).but(kFloating), axis(1, 2)}, call};
}

Call reduction_of_any(const char* name, Variable (*call)(World& w)) {
  return {name, {array("x", {2, 3}).but(kAny), axis(1, 2)}, call};
}

const Line kReductions[] = {
    reduction("sum", [](World& w) { return sum(w.x(0), w.i(1)); }),
    reduction("mean", [](World& w) { return mean(w.x(0), w.i(1)); }),
    reduction("max", [](World& w) { return max(w.x(0), w.i(1)); }),
    reduction("min", [](World& w) { return min(w.x(0), w.i(1)); }),
    reduction_of_any("argmax", [](World& w) { return argmax(w.x(0), w.i(1)); }),
    reduction("logsumexp", [](World& w) { return logsumexp(w.x(0), w.i(1)); }),
    reduction("norm", [](World& w) { return norm(w.x(0), w.i(1)); }),
    reduction("cumsum", [](World& w) { return cumsum(w.x(0), w.i(1)); }),
    Call{"var",
         {array("x", {2, 3}).but(kFloating), axis(1, 2), number("correction", 1, any_number)},
         [](World& w) { return var(w.x(0), w.i(1), w.d(2)); }},
    Call{"sum_to",
         {array("x", {2, 3}).but("axis0* rank* float64"), whole("extent", 3, 3, 3)},
         [](World& w) { return sum_to(w.x(0), {w.n(1)}); }},
};

const Line kShaping[] = {
    Call{"reshape",
         {array("x", {2, 3}).but("float64 int32 bool"), whole("extent", 3, 3, 3).but("-1")},
         [](World& w) {
           return reshape(w.x(0), {w.n(1), 2});
         }},
    Call{"permute",
         {array("x", {2, 3}).but("axis* float64 int32 bool"), axis(1, 2)},
         [](World& w) {
           return permute(w.x(0), {w.i(1), 0});
         }},
    Call{"transpose",
         {array("x", {2, 3}).but(kAny), axis(1, 2), axis(0, 2)},
         [](World& w) { return transpose(w.x(0), w.i(1), w.i(2)); }},
    Call{"slice",
         {array("x", {2, 3}).but(kAny), axis(1, 2), whole("begin", 1, -HUGE_VAL, HUGE_VAL),
          whole("end", 3, -HUGE_VAL, HUGE_VAL), whole("step", 1, 1, HUGE_VAL)},
         [](World& w) { return slice(w.x(0), w.i(1), w.n(2), w.n(3), w.n(4)); }},
    Call{"select",
         {array("x", {2, 3}).but(kAny), axis(1, 2), whole("index", 1, -3, 2)},
         [](World& w) { return select(w.x(0), w.i(1), w.n(2)); }},
    Call{"concat",
         {array("a", {2, 3}).but("axis1*"), array("b", {2, 4}, 2).but("axis1*"), axis(1, 2)},
         [](World& w) {
           return concat({w.x(0), w.x(1)}, w.i(2));
         }},
    Call{"stack",
         {array("a", {2, 3}), array("b", {2, 3}, 2), whole("axis", 1, -3, 2, true)},
         [](World& w) {
           return stack({w.x(0), w.x(1)}, w.i(2));
         }},
    Call{"split",
         {array("x", {2, 4}).but(kAny), whole("count", 2, 1, 2, true).but("7"), axis(1, 2)},
         [](World& w) { return split(w.x(0), w.i(1), w.i(2)); }},
    Call{"expand",
         {array("x", {2, 1}).but("float64 int32 bool axis0* rank*"), whole("extent", 3, 0, 0x1p46)},
         [](World& w) {
           return expand(w.x(0), {2, w.n(1)});
         }},
    Call{"pad",
         {array("x", {2, 3}).but(kAny), axis(1, 2), whole("before", 1, 0, 0x1p46),
          whole("after", 2, 0, 0x1p46), number("value", 0.5, any_number)},
         [](World& w) { return pad(w.x(0), w.i(1), w.n(2), w.n(3), w.d(4)); }},
    Call{"flip",
         {array("x", {2, 3}).but(kAny), axis(1, 2)},
         [](World& w) { return flip(w.x(0), w.i(1)); }},
};

const Line kNormalizing[] = {
    Call{"softmax",
         {array("x", {2, 3}).but(kFloating), axis(1, 2)},
         [](World& w) { return softmax(w.x(0), w.i(1)); }},
    Call{"log_softmax",
         {array("x", {2, 3}).but(kFloating), axis(1, 2)},
         [](World& w) { return log_softmax(w.x(0), w.i(1)); }},
    Call{"masked_softmax",
         {array("x", {2, 3}).but("rank* float64 axis0*"), mask("mask", {3}).but("rank*")},
         [](World& w) { return masked_softmax(w.x(0), w.x(1)); }},
    Call{"layer_norm",
         {array("x", {2, 3}).but("axis0* rank*"), array("gain", {3}, 2), array("bias", {3}, 3),
          number("epsilon", 1e-5, not_negative)},
         [](World& w) { return layer_norm(w.x(0), w.x(1), w.x(2), w.d(3)); }},
};

Argument computed(Argument argument) {
  argument.huge = false;
  return argument;
}

const Line kDifferentiating[] = {
    Call{"gradients",
         {array("x", {}).but("float64")},
         [](World& w) { return gradients(w.x(0), {w.variables[0]}); }},
    Call{"vector_jacobian_product",
         {array("output", {2, 3}), array("cotangent", {2, 3}, 2)},
         [](World& w) {
           const Variables outputs{w.variables[0]}, cotangents{w.variables[1]};
           w.lines.push_back(Location::current());
           return vector_jacobian_product(outputs, cotangents, outputs, w.lines.back());
         }},
    Call{"evaluate",
         {computed(array("x", {2, 3}).but(kAny))},
         [](World& w) {
           evaluate({w.x(0)});
           return w.x(0);
         }},
    Call{
        "value", {computed(array("x", {2, 3}).but(kAny))}, [](World& w) { return w.x(0).value(); }},
};

}  // namespace
