#include <unroll/train/checkpoint.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <unroll/autograd/error.h>
#include <unroll/autograd/random.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/train/scratch_directory.h>

using namespace unroll;
using namespace unroll::train;

namespace {

Tensor numbers(const Shape& shape, std::uint64_t seed) {
  return random_normal(shape, seed, 0, 1, Dtype::float32);
}

/// A set with the parameters "a" [2, 3] and "b" [4].
ParameterSet two(std::uint64_t seed) {
  ParameterSet set;
  set.create("a", numbers({2, 3}, seed));
  set.create("b", numbers({4}, seed + 1));
  return set;
}

bool equal(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::ranges::equal(a.data<float>(), b.data<float>());
}

}  // namespace

TEST_CASE("a model comes back from its file") {
  const ScratchDirectory scratch;
  const auto path = scratch.path() / "model.safetensors";
  const ParameterSet from = two(1), to = two(5);
  save_model(path, from, {{"vocabulary", "[1, 2]"}});
  const TensorFile file = load_safetensors(path);
  CHECK(metadata_of(file, "vocabulary", path) == "[1, 2]");
  CHECK(contains(thrown_message([&] { metadata_of(file, "size", path); }), "no \"size\""));
  assign_model(to, file, path);
  CHECK(equal(to.at("a").value(), from.at("a").value()));
  CHECK(equal(to.at("b").value(), from.at("b").value()));
}

TEST_CASE("what does not fit is listed, and nothing is assigned") {
  const ParameterSet set = two(1);
  const auto before = values_of(set);
  const std::map<std::string, Tensor> values{{"a", numbers({3, 2}, 9)}, {"c", numbers({1}, 9)}};
  const std::string message = thrown_message([&] { assign(set, values); });
  CHECK(contains(message, "missing     b"));
  CHECK(contains(message, "unexpected  c"));
  CHECK(contains(message, "a: float32 [3, 2]; expected float32 [2, 3]"));
  CHECK_THROWS_AS(assign(set, {{"a", before.at("a")}}), ValueError);
  const ScratchDirectory scratch;
  CHECK_THROWS_AS(assign_model(set, {values, {}}, scratch.path() / "x"), IoError);
  CHECK(equal(set.at("a").value(), before.at("a")));
}

TEST_CASE("a snapshot comes back with every number as it was") {
  const ScratchDirectory scratch;
  const auto path = scratch.path() / "snapshot";
  const Snapshot snapshot{.parameters = {{"a/b.c", numbers({2}, 1)}},
                          .best = {{"a/b.c", numbers({2}, 2)}},
                          .optimizer = {{"step", Tensor::scalar(3, Dtype::float64)}},
                          .carried = {{"0.1", numbers({1, 2}, 3)}},
                          .position = {.epoch = 2,
                                       .batch = 1234567890123,
                                       .steps = 7,
                                       .loss_sum = 0.1 + 0.2,
                                       .weight_sum = 1e300,
                                       .best_epoch = 1,
                                       .best_loss = 1.0 / 3,
                                       .seconds = 5e-324},
                          .learning_rate = 2e-3,
                          .task = "a task with spaces"};
  save_snapshot(path, snapshot);
  const Snapshot back = load_snapshot(path);
  CHECK(equal(back.parameters.at("a/b.c"), snapshot.parameters.at("a/b.c")));
  CHECK(equal(back.best.at("a/b.c"), snapshot.best.at("a/b.c")));
  CHECK(back.optimizer.at("step").item() == 3);
  CHECK(equal(back.carried.at("0.1"), snapshot.carried.at("0.1")));
  CHECK(back.position.epoch == 2);
  CHECK(back.position.batch == 1234567890123);
  CHECK(back.position.steps == 7);
  CHECK(back.position.loss_sum == 0.1 + 0.2);
  CHECK(back.position.weight_sum == 1e300);
  CHECK(back.position.best_epoch == 1);
  CHECK(back.position.best_loss == 1.0 / 3);
  CHECK(back.position.seconds == 5e-324);
  CHECK(back.learning_rate == 2e-3);
  CHECK(back.task == snapshot.task);
}

TEST_CASE("what is no snapshot is refused") {
  const ScratchDirectory scratch;
  const auto path = scratch.path() / "snapshot";
  CHECK_THROWS_AS(load_snapshot(path), IoError);
  save_safetensors(path, {});
  CHECK(contains(thrown_message([&] { load_snapshot(path); }), "no \"format\""));
  save_snapshot(path, {});
  TensorFile file = load_safetensors(path);
  file.metadata["steps"] = "7x";
  save_safetensors(path, file);
  CHECK(contains(thrown_message([&] { load_snapshot(path); }), "steps is \"7x\""));
  file.metadata["steps"] = "7";
  for (const auto& [name, number] :
       std::vector<std::pair<std::string, std::string>>{{"batch", "-1"},
                                                        {"epoch", "-1"},
                                                        {"epoch", "2147483647"},
                                                        {"epoch", "2147483648"},
                                                        {"steps", "9223372036854775807"},
                                                        {"steps", "1e3"},
                                                        {"best_epoch", "-2"},
                                                        {"best_loss", "nan"},
                                                        {"weight_sum", "-1"},
                                                        {"seconds", "inf"},
                                                        {"seconds", "1e999"},
                                                        {"learning_rate", "-0.5"},
                                                        {"learning_rate", ""}}) {
    TensorFile bad = file;
    bad.metadata[name] = number;
    save_safetensors(path, bad);
    INFO(name << " " << number);
    CHECK_THROWS_AS(load_snapshot(path), IoError);
    CHECK(contains(thrown_message([&] { load_snapshot(path); }), path.string() + ": " + name));
  }
  file.metadata["loss_sum"] = "inf";  // a sum of losses may be what it was
  save_safetensors(path, file);
  CHECK(load_snapshot(path).position.steps == 7);
  file.tensors.emplace("stray", numbers({1}, 1));
  save_safetensors(path, file);
  CHECK(contains(thrown_message([&] { load_snapshot(path); }), "unexpected tensor stray"));
  file.metadata["format"] = "unroll training 99";
  save_safetensors(path, file);
  CHECK_THROWS_AS(load_snapshot(path), IoError);
}
