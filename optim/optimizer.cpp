// Optimizer: checking, preparing and running a step in parallel blocks.
#include <unroll/optim/optimizer.h>

#include <fmt/format.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <set>
#include <string_view>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/denormals.h>
#include <unroll/autograd/error.h>
#include <unroll/autograd/handover.h>
#include <unroll/optim/arguments.h>
#include <unroll/optim/finite.h>

namespace unroll::optim {

namespace {

/// Elements per parallel piece: a few of them fit into a core's cache with their moments.
constexpr std::size_t kPiece = 16384;

/// f(item, begin, end) for pieces that cover [0, sizes[item]) of every item, in parallel.
template <class F>
void in_pieces(const RecycledVector<std::size_t>& sizes, F f) {
  struct Piece {
    std::size_t item, begin, end;
  };
  RecycledVector<Piece> pieces;
  std::size_t total = 0;
  for (std::size_t item = 0; item < sizes.size(); ++item) {
    total += sizes[item];
    for (std::size_t begin = 0; begin < sizes[item]; begin += kPiece) {
      pieces.push_back({item, begin, std::min(begin + kPiece, sizes[item])});
    }
  }
  const auto run = [&](std::size_t i) {
    const FlushDenormals flush;
    f(pieces[i].item, pieces[i].begin, pieces[i].end);
  };
  if (total <= kPiece) {
    for (std::size_t i = 0; i < pieces.size(); ++i) run(i);
  } else {
    handed_over([&](const auto& body) { tbb::parallel_for(std::size_t{0}, pieces.size(), body); },
                run);
  }
}

const Tensor& values_of(const Gradient& gradient) {
  return gradient.dense ? *gradient.dense : gradient.sparse.rows;
}

}  // namespace

Optimizer::Optimizer(std::string name, std::span<const Parameter> parameters,
                     std::vector<std::string> moments, const Form& form, bool check_finite)
    : name_(std::move(name)),
      parameters_(parameters.begin(), parameters.end()),
      moment_names_(std::move(moments)),
      updates_(parameters.size()),
      small_at_(parameters.size(), kNever),
      lr_(form.lr),
      steep_(form.steep),
      writes_all_(form.writes_all),
      check_finite_(check_finite) {
  detail::expect_at_least(0, name_, "lr", lr_);
  std::set<std::string_view> names;
  for (const Parameter& parameter : parameters_) {
    if (!parameter.defined()) {
      throw ValueError(fmt::format("{}: an undefined Parameter; expected created ones", name_));
    }
    if (!names.insert(parameter.name()).second) {
      throw ValueError(
          fmt::format("{}: parameter {} comes twice; expected it once", name_, parameter.name()));
    }
    moments_.emplace_back();
    for (std::size_t k = 0; k < moment_names_.size(); ++k) {
      moments_.back().emplace_back(parameter.shape(), parameter.dtype());
    }
  }
}

void Optimizer::set_lr(double lr) {
  blame_memory(name_, [&] { detail::expect_at_least(0, name_ + "::set_lr", "lr", lr); });
  lr_ = lr;
}

void Optimizer::step(const Gradients& gradients) {
  blame_memory(name_, [&] {
    const Tasks tasks = tasks_of(gradients);
    const bool careful = check_finite_ && (expect_finite(tasks) || may_overflow(tasks));
    const std::vector<Written> before = careful ? written_by(tasks) : std::vector<Written>();
    // All that can still fail (memory for buffers that are shared) comes before the first update.
    const auto floats = whole_blocks<float>(tasks);
    const auto doubles = whole_blocks<double>(tasks);
    for (const Task& task : tasks) small_at_[task.index] = parameters_[task.index].version();
    update_all(floats);
    update_all(doubles);
    if (careful) expect_no_overflow(tasks, before);
    for (const Task& task : tasks) ++updates_[task.index];
    ++steps_;
  });
}

Optimizer::Tasks Optimizer::tasks_of(const Gradients& gradients) const {
  Tasks tasks;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Parameter& parameter = parameters_[i];
    const std::size_t place = parameter.index();
    if (place >= gradients.size() || !(gradients.parameter(place) == parameter)) {
      throw ValueError(fmt::format(
          "{}::step: the gradients are of a parameter set without {}; expected those of the set "
          "that the optimiser was made for",
          name_, parameter.name()));
    }
    if (const Gradient* gradient = gradients.find(place)) {
      tasks.push_back({i, fitted(*gradient, i)});
    }
  }
  return tasks;
}

Gradient Optimizer::fitted(const Gradient& gradient, std::size_t index) const {
  const Parameter& parameter = parameters_[index];
  const auto fail = [&](const std::string& what) {
    return fmt::format("{}::step: {} is {}; {}", name_, parameter.name(),
                       detail::type_of(parameter.value()), what);
  };
  if (!moment_names_.empty() && moments_[index][0].dtype() != parameter.dtype()) {
    throw StateError(
        fail(fmt::format("its moments are {}; convert parameters before making the "
                         "optimiser",
                         name_of(moments_[index][0].dtype()))));
  }
  const Tensor& values = values_of(gradient);
  const SparseRows& sparse = gradient.sparse;
  const bool empty = !gradient.dense && sparse.ids.empty();
  if (!empty && values.dtype() != parameter.dtype()) {
    throw DtypeError(fail(fmt::format("got a gradient in {}", name_of(values.dtype()))));
  }
  if (gradient.dense) {
    if (values.shape() != parameter.shape()) {
      throw ShapeError(fail(fmt::format("got a gradient of {}", to_string(values.shape()))));
    }
    return {*gradient.dense, {}};
  }
  if (empty) return {};
  const std::int64_t count = parameter.shape().rank() == 0 ? 0 : parameter.shape()[0];
  if (values.shape().rank() != 2 ||
      values.shape()[0] != static_cast<std::int64_t>(sparse.ids.size()) ||
      values.shape()[1] * count != parameter.shape().size()) {
    throw ShapeError(fail(fmt::format("got the gradient of {} rows as {}", sparse.ids.size(),
                                      to_string(values.shape()))));
  }
  for (const std::int32_t id : sparse.ids) {
    if (id < 0 || id >= count) {
      throw ValueError(fail(fmt::format("got a gradient for row {}", id)));
    }
  }
  const bool ascending =
      std::ranges::adjacent_find(sparse.ids, std::greater_equal<>()) == sparse.ids.end();
  return {std::nullopt, ascending ? sparse : coalesced(sparse)};
}

bool Optimizer::expect_finite(const Tasks& tasks) const {
  RecycledVector<std::size_t> sizes;
  for (const Task& task : tasks) {
    sizes.push_back(static_cast<std::size_t>(values_of(task.gradient).size()));
  }
  std::atomic<std::size_t> first_bad = tasks.size();
  std::atomic<bool> large = false;
  in_pieces(sizes, [&](std::size_t item, std::size_t begin, std::size_t end) {
    const detail::Size size = detail::size_of(values_of(tasks[item].gradient), begin, end);
    if (size == detail::Size::small) return;
    large = true;
    if (size == detail::Size::large) return;
    std::size_t first = first_bad;
    while (item < first && !first_bad.compare_exchange_weak(first, item)) {
    }
  });
  if (first_bad == tasks.size()) return large;
  const Task& task = tasks[first_bad];
  const Tensor& values = values_of(task.gradient);
  std::int64_t at = 0;
  while (std::isfinite(values.at(at))) ++at;
  throw NumericError(fmt::format(
      "{}::step: the gradient of {} holds {}; expected finite numbers (nothing was updated)", name_,
      parameters_[task.index].name(), values.at(at)));
}

bool Optimizer::may_overflow(const Tasks& tasks) {
  bool may = steep_ || lr_ > detail::kHighRate;
  for (const Task& task : tasks) {
    const std::uint64_t version = parameters_[task.index].version();
    if (small_at_[task.index] == version) continue;
    const bool small = detail::is_below(parameters_[task.index].value(), detail::kLargeValue<float>,
                                        detail::kLargeValue<double>) &&
                       has_small_moments(task.index);
    small_at_[task.index] = small ? version : kNever;
    may = may || !small;
  }
  return may;
}

bool Optimizer::has_small_moments(std::size_t index) const {
  return std::ranges::all_of(moments_[index], [](const Tensor& moment) {
    return detail::is_below(moment, detail::kLargeGradient<float>, detail::kLargeGradient<double>);
  });
}

std::vector<Optimizer::Written> Optimizer::written_by(const Tasks& tasks) const {
  std::vector<Written> written;
  for (const Task& task : tasks) {
    written.push_back({parameters_[task.index].value(), moments_[task.index]});
  }
  return written;
}

void Optimizer::expect_no_overflow(const Tasks& tasks, const std::vector<Written>& before) {
  std::size_t bad = 0;
  const auto overflowed = [&](std::size_t k) {
    bool found = detail::became_non_finite(parameters_[tasks[k].index].value(), before[k].value);
    for (std::size_t m = 0; m < moment_names_.size(); ++m) {
      found = found || detail::became_non_finite(moments_[tasks[k].index][m], before[k].moments[m]);
    }
    return found;
  };
  while (bad < tasks.size() && !overflowed(bad)) ++bad;
  if (bad == tasks.size()) {
    for (const Task& task : tasks) {
      if (!has_small_moments(task.index)) small_at_[task.index] = kNever;
    }
    return;
  }
  for (std::size_t k = 0; k < tasks.size(); ++k) {
    parameters_[tasks[k].index].assign(before[k].value);
    moments_[tasks[k].index] = before[k].moments;
  }
  throw NumericError(fmt::format(
      "{}::step: the update by the learning rate {} makes {} or one of its moments NaN or "
      "infinite; expected finite numbers (nothing was updated)",
      name_, lr_, parameters_[tasks[bad].index].name()));
}

template <class T>
Optimizer::Blocks<T> Optimizer::whole_blocks(const Tasks& tasks) {
  Blocks<T> blocks;
  for (const Task& task : tasks) {
    const Parameter& parameter = parameters_[task.index];
    if (parameter.dtype() != dtype_of<T>()) continue;
    Block<T> block;
    for (std::size_t k = 0; k < moment_names_.size(); ++k) {
      block.moments[k] = moments_[task.index][k].mutable_data<T>().data();
    }
    const std::span<T> value = parameter.update<T>();
    block.value = value.data();
    block.end = value.size();
    block.step = updates_[task.index] + 1;
    block.index = task.index;
    if (task.gradient.dense) {
      block.dense = task.gradient.dense->data<T>().data();
    } else if (const SparseRows& sparse = task.gradient.sparse; !sparse.ids.empty()) {
      block.ids = sparse.ids;
      block.rows = sparse.rows.data<T>().data();
      block.width = static_cast<std::size_t>(sparse.rows.shape()[1]);
    }
    blocks.push_back(block);
  }
  return blocks;
}

template <class T>
void Optimizer::update_all(const Blocks<T>& blocks) {
  RecycledVector<std::size_t> sizes;
  for (const Block<T>& block : blocks) sizes.push_back(block.end);
  in_pieces(sizes, [&](std::size_t item, std::size_t begin, std::size_t end) {
    Block<T> piece = blocks[item];
    piece.begin = begin;
    piece.end = end;
    update(piece);
    if (!check_finite_) return;
    bool small = true;
    piece.for_each_run(writes_all_, [&](std::size_t first, const T*, std::size_t n) {
      small = small && detail::all_below(piece.value + first, n, detail::kLargeValue<T>);
    });
    if (!small) std::atomic_ref{small_at_[piece.index]}.store(kNever);
  });
}

}  // namespace unroll::optim
