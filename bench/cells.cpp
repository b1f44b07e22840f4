// W2: cells that no library has fused, written from primitive ops as a user would write them. The
// same equations are in peers_torch.py and peers_jax.py. Biases are spelled b, weights of the input
// w [in, gates hidden], weights of the state u [hidden, gates hidden].
#include <cmath>
#include <string>

#include <unroll/bench/sequences.h>

namespace unroll::bench {

namespace {

/// What all of them have: parameters by name, first values uniform in +-1/sqrt(hidden).
struct Weights {
  std::int64_t hidden;
  Parameter w, u, b;

  Weights(const Scope& scope, std::int64_t gates, std::int64_t in, std::int64_t width)
      : hidden(width) {
    w = create(scope, "w", {in, gates * hidden});
    u = create(scope, "u", {hidden, gates * hidden});
    b = create(scope, "b", {gates * hidden});
  }
  Parameter create(const Scope& scope, const char* name, const Shape& shape) const {
    const double bound = 1 / std::sqrt(static_cast<double>(hidden));
    return scope.parameter(name, shape, nn::init::uniform(-bound, bound));
  }
  Variable zeros(const Variable& like, std::int64_t batch) const {
    return nn::zeros_like(like, {batch, hidden});
  }
};

struct HC {
  Variable h, c;
};

/// The equations of nn::LSTM:  c' = s(f) c + s(i) tanh(g),  h' = s(o) tanh(c').
struct HandLstm {
  Weights p;
  HandLstm(const Scope& scope, std::int64_t in, std::int64_t hidden) : p(scope, 4, in, hidden) {}
  HC initial_state(const Variable& like, std::int64_t batch) const {
    return {p.zeros(like, batch), p.zeros(like, batch)};
  }
  HC step(const Variable& x, const HC& s) const {
    const auto gates = split(affine(x, p.w, p.b) + matmul(s.h, p.u), 4, -1);
    const Variable c = sigmoid(gates[1]) * s.c + sigmoid(gates[0]) * tanh(gates[2]);
    return {sigmoid(gates[3]) * tanh(c), c};
  }
};

/// Gates that look at the memory (Gers and Schmidhuber 2000), input and forget gate coupled:
/// f = s(z_f + v_f c),  c' = f c + (1 - f) tanh(z_g),  o = s(z_o + v_o c'),  h' = o tanh(c').
struct PeepholeLstm {
  Weights p;
  Parameter forget_peephole, output_peephole;
  PeepholeLstm(const Scope& scope, std::int64_t in, std::int64_t hidden)
      : p(scope, 3, in, hidden),
        forget_peephole(p.create(scope, "forget_peephole", {hidden})),
        output_peephole(p.create(scope, "output_peephole", {hidden})) {}
  HC initial_state(const Variable& like, std::int64_t batch) const {
    return {p.zeros(like, batch), p.zeros(like, batch)};
  }
  HC step(const Variable& x, const HC& s) const {
    const auto z = split(affine(x, p.w, p.b) + matmul(s.h, p.u), 3, -1);
    const Variable f = sigmoid(z[0] + forget_peephole * s.c);
    const Variable c = f * s.c + (1.0 - f) * tanh(z[1]);
    const Variable o = sigmoid(z[2] + output_peephole * c);
    return {o * tanh(c), c};
  }
};

/// An LSTM whose two products and whose memory are normalised (Ba, Kiros, Hinton 2016):
/// z = N_w(x w) + N_u(h u) + b,  c' = N_c(s(f) c + s(i) tanh(g)),  h' = s(o) tanh(c').
struct LayerNormLstm {
  struct Norm {
    Parameter gain, bias;
    Norm(const Scope& scope, const std::string& name, std::int64_t width)
        : gain(scope.parameter(name + "_gain", {width}, nn::init::uniform(0.1, 0.3))),
          bias(scope.parameter(name + "_bias", {width}, nn::init::uniform(-0.1, 0.1))) {}
    Variable operator()(const Variable& x) const { return layer_norm(x, gain, bias); }
  };
  Weights p;
  Norm input_norm, state_norm, cell_norm;
  LayerNormLstm(const Scope& scope, std::int64_t in, std::int64_t hidden)
      : p(scope, 4, in, hidden),
        input_norm(scope, "input_norm", 4 * hidden),
        state_norm(scope, "state_norm", 4 * hidden),
        cell_norm(scope, "cell_norm", hidden) {}
  HC initial_state(const Variable& like, std::int64_t batch) const {
    return {p.zeros(like, batch), p.zeros(like, batch)};
  }
  HC step(const Variable& x, const HC& s) const {
    const auto gates =
        split(input_norm(matmul(x, p.w)) + state_norm(matmul(s.h, p.u)) + p.b, 4, -1);
    const Variable c = cell_norm(sigmoid(gates[1]) * s.c + sigmoid(gates[0]) * tanh(gates[2]));
    return {sigmoid(gates[3]) * tanh(c), c};
  }
};

/// The minimal gated unit (Zhou et al. 2016):
/// f = s(x w_f + h u_f + b_f),  n = tanh(x w_n + (f h) u_n + b_n),  h' = (1 - f) h + f n.
struct MinimalGatedUnit {
  Weights forget, candidate;
  MinimalGatedUnit(const Scope& scope, std::int64_t in, std::int64_t hidden)
      : forget(scope / "forget", 1, in, hidden), candidate(scope / "candidate", 1, in, hidden) {}
  Variable initial_state(const Variable& like, std::int64_t batch) const {
    return forget.zeros(like, batch);
  }
  Variable step(const Variable& x, const Variable& h) const {
    const Variable f = sigmoid(affine(x, forget.w, forget.b) + matmul(h, forget.u));
    const Variable n = tanh(affine(x, candidate.w, candidate.b) + matmul(f * h, candidate.u));
    return (1.0 - f) * h + f * n;
  }
};

}  // namespace

void add_cells(std::vector<Entry>& entries) {
  for (const Sizes& sizes : {Sizes{50, 32, 256}, {200, 16, 128}, {50, 1, 64}}) {
    entries.push_back(sequence_entry<CellNet<HandLstm>>("W2/lstm", sizes, 4, "LSTM by hand"));
    entries.push_back(sequence_entry<CellNet<PeepholeLstm>>(
        "W2/peephole", sizes, 3, "peephole LSTM with coupled gates, by hand"));
    entries.push_back(sequence_entry<CellNet<LayerNormLstm>>("W2/layernorm", sizes, 4,
                                                             "layer-norm LSTM, by hand"));
    entries.push_back(sequence_entry<CellNet<MinimalGatedUnit>>("W2/minimal", sizes, 2,
                                                                "minimal gated unit, by hand"));
    entries.push_back(
        sequence_entry<LstmNet>("W2/layer", sizes, 4, "nn::LSTM, for W2/lstm to be compared with"));
  }
}

}  // namespace unroll::bench
