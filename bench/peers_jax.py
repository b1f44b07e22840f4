"""JAX as a peer of unroll_bench: the layers and cells as lax.scan, compiled by XLA.

Started by compare.py, once for each number of threads, because XLA takes the cores it may run on.
A workload's name follows "jax/".
"""
import jax
import jax.numpy as jnp
import numpy as np

import peer

sigmoid, tanh = jax.nn.sigmoid, jnp.tanh


# ---- steps: (parameters, x, state) -> state; the first member of the state is the output ----

def lstm_layer(p, x, state):
    h, c = state
    z = x @ p["weight_ih_l0"].T + p["bias_ih_l0"] + h @ p["weight_hh_l0"].T + p["bias_hh_l0"]
    i, f, g, o = jnp.split(z, 4, 1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(c), c


def gru_layer(p, x, state):
    h, = state
    rx, zx, nx = jnp.split(x @ p["weight_ih_l0"].T + p["bias_ih_l0"], 3, 1)
    rh, zh, nh = jnp.split(h @ p["weight_hh_l0"].T + p["bias_hh_l0"], 3, 1)
    n = tanh(nx + sigmoid(rx + rh) * nh)
    return n + sigmoid(zx + zh) * (h - n),


def rnn_layer(p, x, state):
    h, = state
    return tanh(x @ p["weight_ih_l0"].T + p["bias_ih_l0"] + h @ p["weight_hh_l0"].T
                + p["bias_hh_l0"]),


def hand_lstm(p, x, state):
    h, c = state
    i, f, g, o = jnp.split(x @ p["w"] + p["b"] + h @ p["u"], 4, 1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(c), c


def peephole_lstm(p, x, state):
    h, c = state
    f, g, o = jnp.split(x @ p["w"] + p["b"] + h @ p["u"], 3, 1)
    f = sigmoid(f + p["forget_peephole"] * c)
    c = f * c + (1 - f) * tanh(g)
    return sigmoid(o + p["output_peephole"] * c) * tanh(c), c


def layer_norm_lstm(p, x, state):
    def norm(name, v):
        centred = v - v.mean(1, keepdims=True)
        scale = jax.lax.rsqrt((centred ** 2).mean(1, keepdims=True) + 1e-5)
        return centred * scale * p[name + "_gain"] + p[name + "_bias"]

    h, c = state
    z = norm("input_norm", x @ p["w"]) + norm("state_norm", h @ p["u"]) + p["b"]
    i, f, g, o = jnp.split(z, 4, 1)
    c = norm("cell_norm", sigmoid(f) * c + sigmoid(i) * tanh(g))
    return sigmoid(o) * tanh(c), c


def minimal_gated_unit(p, x, state):
    h, = state
    f = sigmoid(x @ p["forget.w"] + p["forget.b"] + h @ p["forget.u"])
    n = tanh(x @ p["candidate.w"] + p["candidate.b"] + (f * h) @ p["candidate.u"])
    return (1 - f) * h + f * n,


STEPS = {"W1": (lstm_layer, 2), "W3/gru": (gru_layer, 1), "W3/rnn": (rnn_layer, 1),
         "W4/lstm": (lstm_layer, 2), "W2/lstm": (hand_lstm, 2), "W2/peephole": (peephole_lstm, 2),
         "W2/layernorm": (layer_norm_lstm, 2), "W2/minimal": (minimal_gated_unit, 1)}


def prepare(full_name: str, example: peer.Example, threads: int) -> peer.Prepared:
    name = full_name.partition("/")[2]
    step, members = next(value for key, value in STEPS.items() if name.startswith(key + "/"))
    parameters = {n: jnp.asarray(v) for n, v in example.parameters.items()}
    factors = jnp.asarray(example.inputs["factors"])

    @jax.jit
    def differentiate(p):
        def loss(p):
            def body(state, x):
                state = step(p, x, state)
                return state, state[0]

            zeros = jnp.zeros(p["x"].shape[1:], jnp.float32)
            return (jax.lax.scan(body, (zeros,) * members, p["x"])[1] * factors).sum()

        return jax.value_and_grad(loss)(p)

    def results():
        value, gradients = differentiate(parameters)
        return float(value), {n: np.asarray(g) for n, g in gradients.items()}

    return peer.Prepared(lambda: jax.block_until_ready(differentiate(parameters)), results)


if __name__ == "__main__":
    peer.serve(prepare)
