// Optimizer: what SGD, Adam and AdamW share: the parameters, the learning rate, moments and counts
// as checkpointable state, and a step that either happens as a whole or not at all.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <unroll/autograd/gradients.h>
#include <unroll/autograd/parameter.h>
#include <unroll/optim/block.h>

namespace unroll::optim {

/// Updates parameters from their gradients. Keeps handles to the parameters; a ParameterSet or any
/// selection of its parameters will do, so that groups can have an optimiser each.
class Optimizer {
 public:
  virtual ~Optimizer() = default;

  /// One update of every parameter that has a gradient, in place; one without is skipped, with its
  /// moments and its count. Row-sparse gradients give the same result as their dense form.
  /// Denormal float results become zero. Deterministic, whatever the number of threads.
  /// Throws NumericError naming the first parameter whose gradient holds NaN or infinity, or of
  /// which the update would make a finite element, or one of a moment, NaN or infinite (neither is
  /// looked for if check_finite is off), ValueError for gradients of another parameter set,
  /// ShapeError or DtypeError for a gradient that does not fit its parameter, StateError if the
  /// parameters were converted to another dtype than the moments have; nothing is updated then.
  void step(const Gradients& gradients);

  double lr() const { return lr_; }
  /// Throws ValueError unless `lr` is finite and not negative.
  void set_lr(double lr);

  std::span<const Parameter> parameters() const { return parameters_; }
  /// The number of successful calls of step().
  std::int64_t steps() const { return steps_; }

  /// What has to be saved to go on exactly here, apart from the options and lr: "step" (the number
  /// of steps), and per parameter "<parameter>.step" (the updates it got) and its moments, such as
  /// "<parameter>.exp_avg". Counts are float64 scalars. A snapshot: later steps do not change it.
  std::map<std::string, Tensor> state() const;
  /// Restores what state() gave. Throws ValueError that lists the missing and the unexpected names
  /// and those of another shape, dtype or domain; nothing is changed then.
  void load_state(const std::map<std::string, Tensor>& state);

 protected:
  struct Form {
    double lr;
    bool writes_all;  ///< also elements without a gradient
    bool steep;       ///< one update may overflow what is small, see finite.h
  };
  /// `name` stands in front of error messages; `moments` names the tensors to keep per parameter,
  /// at most Block::kMaxMoments, zero at first. Throws ValueError for a bad `lr`, an undefined
  /// parameter, or two of one name.
  Optimizer(std::string name, std::span<const Parameter> parameters,
            std::vector<std::string> moments, const Form& form, bool check_finite);
  Optimizer(const Optimizer&) = default;
  Optimizer(Optimizer&&) = default;
  Optimizer& operator=(const Optimizer&) = default;
  Optimizer& operator=(Optimizer&&) = default;

 private:
  /// A parameter of ours that has a gradient in this step.
  struct Task {
    std::size_t index;
    Gradient gradient;  ///< sparse ids strictly ascending
  };

  /// The update formula; called for different blocks at the same time.
  virtual void update(const Block<float>& block) const = 0;
  virtual void update(const Block<double>& block) const = 0;

  void expect_fitting(const std::map<std::string, Tensor>& state) const;
  void take_state(const std::map<std::string, Tensor>& state);

  using Tasks = RecycledVector<Task>;
  template <class T>
  using Blocks = RecycledVector<Block<T>>;

  Tasks tasks_of(const Gradients& gradients) const;
  Gradient fitted(const Gradient& gradient, std::size_t index) const;
  /// Throws NumericError for NaN and infinity. May the update overflow?
  bool expect_finite(const Tasks& tasks) const;
  /// What an update writes to.
  struct Written {
    Tensor value;
    std::vector<Tensor> moments;
  };
  std::vector<Written> written_by(const Tasks& tasks) const;
  /// Looks at what others have written since, too.
  bool may_overflow(const Tasks& tasks);
  bool has_small_moments(std::size_t index) const;
  /// Throws NumericError, and puts `before` back, if what was finite has become NaN or infinite.
  void expect_no_overflow(const Tasks& tasks, const std::vector<Written>& before);
  template <class T>
  Blocks<T> whole_blocks(const Tasks& tasks);
  template <class T>
  void update_all(const Blocks<T>& blocks);

  std::string name_;
  std::vector<Parameter> parameters_;
  std::vector<std::string> moment_names_;
  std::vector<std::vector<Tensor>> moments_;  ///< [parameter][moment]
  std::vector<std::int64_t> updates_;         ///< per parameter
  std::int64_t steps_ = 0;
  /// Per parameter: its version of which is known that it and its moments cannot overflow in one
  /// update.
  std::vector<std::uint64_t> small_at_;
  static constexpr std::uint64_t kNever = ~std::uint64_t{0};
  double lr_;
  bool steep_, writes_all_;
  bool check_finite_;
};

}  // namespace unroll::optim
