// Optimizer: its state as named tensors, for checkpoints.
#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/error.h>
#include <unroll/optim/arguments.h>
#include <unroll/optim/optimizer.h>

namespace unroll::optim {

namespace {

Tensor count_tensor(std::int64_t count) {
  return Tensor::scalar(static_cast<double>(count), Dtype::float64);
}

bool is_count_name(std::string_view name) { return name == "step" || name.ends_with(".step"); }

/// "; missing a, b and 3 more"; nothing if there are none.
std::string listed(std::string_view what, const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 8;
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i) {
    text += i == 0 ? fmt::format("; {} {}", what, names[i]) : ", " + names[i];
  }
  if (names.size() > kShown) text += fmt::format(" and {} more", names.size() - kShown);
  return text;
}

}  // namespace

std::map<std::string, Tensor> Optimizer::state() const {
  return blame_memory(name_, [&] {
    std::map<std::string, Tensor> state{{"step", count_tensor(steps_)}};
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      const std::string& parameter = parameters_[i].name();
      state.emplace(parameter + ".step", count_tensor(updates_[i]));
      for (std::size_t k = 0; k < moment_names_.size(); ++k) {
        state.emplace(fmt::format("{}.{}", parameter, moment_names_[k]), moments_[i][k]);
      }
    }
    return state;
  });
}

void Optimizer::load_state(const std::map<std::string, Tensor>& state) {
  blame_memory(name_, [&] {
    expect_fitting(state);
    take_state(state);
  });
}

void Optimizer::expect_fitting(const std::map<std::string, Tensor>& state) const {
  const std::map<std::string, Tensor> own = this->state();
  std::vector<std::string> missing;
  std::vector<std::string> unexpected;
  std::vector<std::string> wrong;
  for (const auto& [name, tensor] : own) {
    const auto found = state.find(name);
    if (found == state.end()) {
      missing.push_back(name);
    } else if (detail::type_of(found->second) != detail::type_of(tensor)) {
      wrong.push_back(fmt::format("{} as {} instead of {}", name, detail::type_of(found->second),
                                  detail::type_of(tensor)));
    } else if (is_count_name(name) && !detail::is_count(found->second.item())) {
      wrong.push_back(fmt::format("{} = {} instead of a count", name, found->second.item()));
    }
  }
  for (const auto& [name, tensor] : state) {
    if (!own.contains(name)) unexpected.push_back(name);
  }
  if (!missing.empty() || !unexpected.empty() || !wrong.empty()) {
    throw ValueError(fmt::format("{}::load_state: the state does not fit{}{}{}", name_,
                                 listed("missing", missing), listed("unexpected", unexpected),
                                 listed("got", wrong)));
  }
}

void Optimizer::take_state(const std::map<std::string, Tensor>& state) {
  const auto count = [&](const std::string& name) {
    return static_cast<std::int64_t>(state.at(name).item());
  };
  // All that can fail for want of memory comes before the first change.
  std::vector<std::int64_t> updates;
  std::vector<std::vector<Tensor>> moments;
  for (const Parameter& parameter : parameters_) {
    updates.push_back(count(parameter.name() + ".step"));
    std::vector<Tensor>& own = moments.emplace_back();
    for (const std::string& moment : moment_names_) {
      own.push_back(state.at(fmt::format("{}.{}", parameter.name(), moment)));
    }
  }
  steps_ = count("step");
  updates_ = std::move(updates);
  moments_ = std::move(moments);
  std::ranges::fill(small_at_, kNever);
}

}  // namespace unroll::optim
