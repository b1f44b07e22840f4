// How many calls of PyTorch the tests compare with: the figures in docs/reliability.md.
#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>

#include <unroll/tests/support/catch.h>

namespace {

nlohmann::json recorded(const char* file) {
  const std::filesystem::path here = __FILE__;
  std::ifstream stream(here.parent_path().parent_path() / file);
  return nlohmann::json::parse(stream);
}

}  // namespace

TEST_CASE("the results of PyTorch are recorded for so many calls") {
  // Those with all gradients. Layers are called time first and batch first, CTC with 3 reductions.
  const std::size_t layers = 2 * recorded("nn/rnn_cases.json").at("cases").size() +
                             2 * recorded("nn/attention_cases.json").at("cases").size();
  const std::size_t ops = recorded("ops/torch_cases.json").at("cases").size() +
                          3 * recorded("nn/ctc_cases.json").at("cases").size();
  CHECK(layers == 260);
  CHECK(ops == 161);
  const nlohmann::json optimizers = recorded("optim/optimizer_cases.json");
  std::size_t training = 0;
  for (const char* kind : {"optimizers", "clips", "plateaus", "schedules"}) {
    training += optimizers.at(kind).size();
  }
  CHECK(training == 75);
  const std::size_t initial = recorded("nn/init_cases.json").at("cases").size();
  CHECK(layers + ops + training + initial == 619);
}
