// The raw RNN primitives of oneDNN, as a peer: forward for training and backward, float32, on
// memory in the layouts they like best. What a user would have to add is left out of the time: the
// loss, and bringing updated weights into those layouts.
//
// The weights of the input are [1, 1, in, gates, out] to oneDNN; in the order "ldgoi" that is
// PyTorch's [gates out, in] in memory, and ours.
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <unordered_map>

#include <omp.h>
#include <oneapi/dnnl/dnnl.hpp>

#include <unroll/autograd/error.h>
#include <unroll/bench/training.h>

namespace unroll::bench {

namespace {

using dnnl::memory;
using Tag = memory::format_tag;
using Arguments = std::unordered_map<int, memory>;

/// A primitive's description; oneDNN 2 makes it in two steps, oneDNN 3 in one.
template <class Primitive, class... Options>
typename Primitive::primitive_desc describe_forward(const dnnl::engine& engine,
                                                    const Options&... options) {
#if DNNL_VERSION_MAJOR >= 3
  return {engine, options...};
#else
  return {typename Primitive::desc(options...), engine};
#endif
}
template <class Primitive, class Hint, class... Options>
typename Primitive::primitive_desc describe_backward(const dnnl::engine& engine, const Hint& hint,
                                                     const Options&... options) {
#if DNNL_VERSION_MAJOR >= 3
  return {engine, options..., hint};
#else
  return {typename Primitive::desc(options...), engine, hint};
#endif
}

constexpr auto kForward = dnnl::prop_kind::forward_training;
constexpr auto kBackward = dnnl::prop_kind::backward;
constexpr auto kDirection = dnnl::rnn_direction::unidirectional_left2right;
const memory::desc kAbsent;  // nobody asks for the last states

/// What the three primitives call their arguments. `order` says which of PyTorch's gates each of
/// oneDNN's is.
struct Lstm {
  using Forward = dnnl::lstm_forward;
  using Backward = dnnl::lstm_backward;
  static constexpr int kGates = 4, kBiases = 4;
  static constexpr std::array<int, 4> kOrder = {0, 1, 2, 3};

  static Forward::primitive_desc forward(const dnnl::engine& e, const memory::desc& x,
                                         const memory::desc& h, const memory::desc& w,
                                         const memory::desc& u, const memory::desc& b,
                                         const memory::desc& y) {
    return describe_forward<Forward>(e, kForward, kDirection, x, h, h, w, u, b, y, kAbsent,
                                     kAbsent);
  }
  static Backward::primitive_desc backward(const dnnl::engine& e,
                                           const Forward::primitive_desc& hint,
                                           const memory::desc& x, const memory::desc& h,
                                           const memory::desc& w, const memory::desc& u,
                                           const memory::desc& b, const memory::desc& y) {
    return describe_backward<Backward>(e, hint, kBackward, kDirection, x, h, h, w, u, b, y, kAbsent,
                                       kAbsent, x, h, h, w, u, b, y, kAbsent, kAbsent);
  }
};

/// The GRU that resets after the product, as PyTorch's. Its candidate has two biases.
struct Gru {
  using Forward = dnnl::lbr_gru_forward;
  using Backward = dnnl::lbr_gru_backward;
  static constexpr int kGates = 3, kBiases = 4;
  static constexpr std::array<int, 3> kOrder = {1, 0, 2};

  static Forward::primitive_desc forward(const dnnl::engine& e, const memory::desc& x,
                                         const memory::desc& h, const memory::desc& w,
                                         const memory::desc& u, const memory::desc& b,
                                         const memory::desc& y) {
    return describe_forward<Forward>(e, kForward, kDirection, x, h, w, u, b, y, kAbsent);
  }
  static Backward::primitive_desc backward(const dnnl::engine& e,
                                           const Forward::primitive_desc& hint,
                                           const memory::desc& x, const memory::desc& h,
                                           const memory::desc& w, const memory::desc& u,
                                           const memory::desc& b, const memory::desc& y) {
    return describe_backward<Backward>(e, hint, kBackward, kDirection, x, h, w, u, b, y, kAbsent, x,
                                       h, w, u, b, y, kAbsent);
  }
};

struct Rnn {
  using Forward = dnnl::vanilla_rnn_forward;
  using Backward = dnnl::vanilla_rnn_backward;
  static constexpr int kGates = 1, kBiases = 1;
  static constexpr std::array<int, 1> kOrder = {0};
  static constexpr auto kTanh = dnnl::algorithm::eltwise_tanh;

  static Forward::primitive_desc forward(const dnnl::engine& e, const memory::desc& x,
                                         const memory::desc& h, const memory::desc& w,
                                         const memory::desc& u, const memory::desc& b,
                                         const memory::desc& y) {
    return describe_forward<Forward>(e, kForward, kTanh, kDirection, x, h, w, u, b, y, kAbsent);
  }
  static Backward::primitive_desc backward(const dnnl::engine& e,
                                           const Forward::primitive_desc& hint,
                                           const memory::desc& x, const memory::desc& h,
                                           const memory::desc& w, const memory::desc& u,
                                           const memory::desc& b, const memory::desc& y) {
    return describe_backward<Backward>(e, hint, kBackward, kTanh, kDirection, x, h, w, u, b, y,
                                       kAbsent, x, h, w, u, b, y, kAbsent);
  }
};

/// ||a - b|| / ||b||
double distance(std::span<const float> a, std::span<const float> b) {
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    difference += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
    norm += double{b[i]} * b[i];
  }
  return std::sqrt(difference / std::max(norm, 1e-30));
}

template <class Kind>
class RawRnn final : public Workload {
 public:
  RawRnn(const Setting& setting, const Sizes& sizes) : threads_(setting.threads), sizes_(sizes) {
    omp_set_num_threads(threads_);
    const auto [T, B, H] = sizes;
    const auto any = [](const memory::dims& dims) { return desc(dims, Tag::any); };
    const memory::desc x = desc({T, B, H}, Tag::tnc), y = x;
    // The first state, zero. oneDNN 2.6 gives a wrong gradient of the weights if it is left out.
    const memory::desc h = desc({1, 1, B, H}, Tag::ldnc);
    const memory::desc w = any({1, 1, H, Kind::kGates, H}), u = w;
    const memory::desc b = desc({1, 1, Kind::kBiases, H}, Tag::ldgo);
    const auto forward = Kind::forward(engine_, x, h, w, u, b, y);
    const auto backward = Kind::backward(engine_, forward, x, h, w, u, b, y);
    forward_ = typename Kind::Forward(forward);
    backward_ = typename Kind::Backward(backward);

    const memory workspace(forward.workspace_desc(), engine_);
    inputs_ = {{DNNL_ARG_SRC_LAYER, filled(x, 1, 1)},
               {DNNL_ARG_SRC_ITER, filled(h, 0, 0)},
               {DNNL_ARG_SRC_ITER_C, filled(h, 0, 0)},
               {DNNL_ARG_WEIGHTS_LAYER, filled(forward.weights_layer_desc(), 2, bound())},
               {DNNL_ARG_WEIGHTS_ITER, filled(forward.weights_iter_desc(), 3, bound())},
               {DNNL_ARG_BIAS, filled(b, 4, bound())},
               {DNNL_ARG_DST_LAYER, memory(y, engine_)},
               {DNNL_ARG_WORKSPACE, workspace}};
    derivatives_ = inputs_;
    derivatives_.insert_or_assign(DNNL_ARG_WEIGHTS_LAYER,
                                  filled(backward.weights_layer_desc(), 2, bound()));
    derivatives_.insert_or_assign(DNNL_ARG_WEIGHTS_ITER,
                                  filled(backward.weights_iter_desc(), 3, bound()));
    derivatives_.insert(
        {{DNNL_ARG_DIFF_SRC_LAYER, memory(x, engine_)},
         {DNNL_ARG_DIFF_SRC_ITER, memory(h, engine_)},
         {DNNL_ARG_DIFF_SRC_ITER_C, memory(h, engine_)},
         {DNNL_ARG_DIFF_WEIGHTS_LAYER, memory(backward.diff_weights_layer_desc(), engine_)},
         {DNNL_ARG_DIFF_WEIGHTS_ITER, memory(backward.diff_weights_iter_desc(), engine_)},
         {DNNL_ARG_DIFF_BIAS, memory(b, engine_)},
         {DNNL_ARG_DIFF_DST_LAYER, filled(y, 5, 1)}});
  }

  void step() override {
    omp_set_num_threads(threads_);
    forward_.execute(stream_, inputs_);
    for (const int sum :
         {DNNL_ARG_DIFF_WEIGHTS_LAYER, DNNL_ARG_DIFF_WEIGHTS_ITER, DNNL_ARG_DIFF_BIAS}) {
      memory& gradient = derivatives_.at(sum);  // the primitive adds to them
      std::memset(gradient.get_data_handle(), 0, gradient.get_desc().get_size());
    }
    backward_.execute(stream_, derivatives_);
    stream_.wait();
  }

  Difference load(const train::TensorFile& example) override {
    const auto given = [&](const std::string& name) { return example.tensors.at(name); };
    put(inputs_.at(DNNL_ARG_SRC_LAYER), given("parameter:x"));
    put(derivatives_.at(DNNL_ARG_DIFF_DST_LAYER), given("input:factors"));
    for (Arguments* arguments : {&inputs_, &derivatives_}) {
      put_weights(arguments->at(DNNL_ARG_WEIGHTS_LAYER), given("parameter:weight_ih_l0"));
      put_weights(arguments->at(DNNL_ARG_WEIGHTS_ITER), given("parameter:weight_hh_l0"));
    }
    put_bias(given("parameter:bias_ih_l0"), given("parameter:bias_hh_l0"));
    step();

    const auto factors = given("input:factors").template data<float>();
    const auto outputs = floats(inputs_.at(DNNL_ARG_DST_LAYER));
    double loss = 0;
    for (std::size_t i = 0; i < factors.size(); ++i) loss += double{factors[i]} * outputs[i];
    const double expected = given("loss").item();
    Difference worst{std::abs(loss - expected) / std::max(1.0, std::abs(expected)), "loss"};
    const auto compare = [&](std::span<const float> ours, const std::string& name) {
      const double relative = distance(ours, given("gradient:" + name).template data<float>());
      if (!(relative <= worst.relative)) worst = {relative, name};
    };
    compare(floats(derivatives_.at(DNNL_ARG_DIFF_SRC_LAYER)), "x");
    compare(weights(derivatives_.at(DNNL_ARG_DIFF_WEIGHTS_LAYER)), "weight_ih_l0");
    compare(weights(derivatives_.at(DNNL_ARG_DIFF_WEIGHTS_ITER)), "weight_hh_l0");
    compare(bias_gradient(), "bias_ih_l0");
    return worst;
  }

 private:
  static memory::desc desc(const memory::dims& dims, Tag tag) {
    return {dims, memory::data_type::f32, tag};
  }
  double bound() const { return 1 / std::sqrt(static_cast<double>(sizes_.hidden)); }
  /// Memory of `type` with random numbers; equal seeds do not give equal matrices in two layouts.
  memory filled(const memory::desc& type, std::uint64_t seed, double bound) {
    memory result(type, engine_);
    const auto values = floats(result);
    const Tensor numbers = random_numbers({static_cast<std::int64_t>(values.size())}, seed);
    const auto from = numbers.data<float>();
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<float>(bound) * from[i];
    }
    return result;
  }
  static std::span<float> floats(const memory& m) {
    return {static_cast<float*>(m.get_data_handle()), m.get_desc().get_size() / sizeof(float)};
  }
  static void put(memory& to, const Tensor& from) {
    std::memcpy(to.get_data_handle(), from.raw(), from.bytes());
  }
  std::size_t block() const { return static_cast<std::size_t>(sizes_.hidden * sizes_.hidden); }
  memory plain_weights() {
    return memory(desc({1, 1, sizes_.hidden, Kind::kGates, sizes_.hidden}, Tag::ldgoi), engine_);
  }
  /// PyTorch's weights into whatever layout `to` has.
  void put_weights(memory& to, const Tensor& from) {
    memory plain = plain_weights();
    for (std::size_t g = 0; g < Kind::kOrder.size(); ++g) {
      std::memcpy(floats(plain).data() + g * block(),
                  from.data<float>().data() + static_cast<std::size_t>(Kind::kOrder[g]) * block(),
                  block() * sizeof(float));
    }
    dnnl::reorder(plain, to).execute(stream_, plain, to);
    stream_.wait();
  }
  /// And back.
  std::vector<float> weights(memory& from) {
    memory plain = plain_weights();
    dnnl::reorder(from, plain).execute(stream_, from, plain);
    stream_.wait();
    std::vector<float> result(Kind::kOrder.size() * block());
    for (std::size_t g = 0; g < Kind::kOrder.size(); ++g) {
      std::memcpy(result.data() + static_cast<std::size_t>(Kind::kOrder[g]) * block(),
                  floats(plain).data() + g * block(), block() * sizeof(float));
    }
    return result;
  }
  void put_bias(const Tensor& of_input, const Tensor& of_state) {
    const auto hidden = static_cast<std::size_t>(sizes_.hidden);
    const auto ih = of_input.data<float>(), hh = of_state.data<float>();
    const auto to = floats(inputs_.at(DNNL_ARG_BIAS));
    for (std::size_t g = 0; g < Kind::kBiases; ++g) {
      const bool apart = Kind::kBiases > Kind::kGates && g + 2 >= Kind::kBiases;
      const auto gate =
          static_cast<std::size_t>(Kind::kOrder[std::min(g, Kind::kOrder.size() - 1)]);
      for (std::size_t i = 0; i < hidden; ++i) {
        const std::size_t at = gate * hidden + i;
        to[g * hidden + i] = !apart ? ih[at] + hh[at] : g == Kind::kGates ? hh[at] : ih[at];
      }
    }
  }
  std::vector<float> bias_gradient() const {
    const auto hidden = static_cast<std::size_t>(sizes_.hidden);
    const auto from = floats(derivatives_.at(DNNL_ARG_DIFF_BIAS));
    std::vector<float> result(Kind::kOrder.size() * hidden);
    for (std::size_t g = 0; g < Kind::kOrder.size(); ++g) {
      std::memcpy(result.data() + static_cast<std::size_t>(Kind::kOrder[g]) * hidden,
                  from.data() + g * hidden, hidden * sizeof(float));
    }
    return result;
  }

  int threads_;
  Sizes sizes_;
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  typename Kind::Forward forward_;
  typename Kind::Backward backward_;
  Arguments inputs_, derivatives_;
};

template <class Kind>
Entry entry_of(const std::string& family, const Sizes& sizes) {
  Entry entry;
  entry.name = "oneDNN/" + family + '/' + sizes.name();
  entry.what = "oneDNN's primitive, forward and backward";
  entry.flop = sizes.flop(Kind::kGates);
  entry.tokens = sizes.tokens();
  entry.make = [sizes](const Setting& setting) {
    return std::make_unique<RawRnn<Kind>>(setting, sizes);
  };
  return entry;
}

}  // namespace

void add_onednn(std::vector<Entry>& entries) {
  for (const Sizes& sizes : {Sizes{35, 20, 200}, {50, 32, 256}, {50, 64, 512}, {20, 128, 1024}}) {
    entries.push_back(entry_of<Lstm>("W1", sizes));
  }
  for (const Sizes& sizes : {Sizes{50, 32, 256}, {100, 1, 256}}) {
    entries.push_back(entry_of<Gru>("W3/gru", sizes));
    entries.push_back(entry_of<Rnn>("W3/rnn", sizes));
  }
  for (const Sizes& sizes : {Sizes{50, 1, 32}, {50, 1, 64}, {100, 1, 256}}) {
    entries.push_back(entry_of<Lstm>("W4/lstm", sizes));
  }
}

std::string onednn_version() {
  const dnnl_version_t* version = dnnl_version();
  return std::to_string(version->major) + '.' + std::to_string(version->minor) + '.' +
         std::to_string(version->patch);
}

}  // namespace unroll::bench
