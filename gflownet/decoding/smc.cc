#include "gflownet/decoding/smc.h"

#include <algorithm>
#include <cmath>

#include "gflownet/base/check.h"
#include "gflownet/decoding/frontier.h"
#include "gflownet/estimate/importance.h"
#include "gflownet/tensor/categorical.h"

namespace gfn {
namespace {

struct Particle {
  Actions actions = {};
  double log_q = 0;                        // of the actions under the proposal
  double log_w = 0;                        // since the last resampling
  double judged_target = 0, judged_q = 0;  // log target and log_q where it was judged last
  bool done = false, is_judged = false;    // is_judged: its end is in log_w
  int64_t row = 0;                         // in the frontier; of no account once done
};

class Smc {
 public:
  Smc(const SmcMethod& method, const DecodingParts& parts, const std::vector<ConditionId>& conditions,
      const std::vector<Actions>& retained, const RngKey& key)
      : method_(method), parts_(parts), conditions_(conditions), retained_(retained), key_(key), frontier_(Start()) {
    for (size_t c = 0; c < conditions.size(); ++c) {
      for (int64_t n = 0; n < method.particles; ++n) particles_.push_back({.row = static_cast<int64_t>(particles_.size())});
    }
    log_z_.resize(conditions.size());
  }

  StatusOr<SmcResult> Run() {
    while (frontier_.size() > 0) {
      RETURN_IF_ERROR(Step());
      ++step_;
      if (step_ % method_.every == 0 || frontier_.size() == 0) {
        RETURN_IF_ERROR(Judge());
        if (frontier_.size() > 0) Resample();
      }
    }
    SmcResult result;
    for (size_t c = 0; c < conditions_.size(); ++c) {
      ParticleSet& set = result.sets.emplace_back();
      set.log_w = LogWeights(c);
      set.log_z = log_z_[c] + LogMeanWeight(set.log_w).mean;
      for (Particle& particle : Of(c)) set.objects.push_back(std::move(particle.actions));
    }
    result.num_actions = frontier_.num_actions();
    result.num_judged = num_judged_;
    return result;
  }

 private:
  Frontier Start() const {
    std::vector<ConditionId> rows;
    for (const ConditionId id : conditions_) rows.insert(rows.end(), static_cast<size_t>(method_.particles), id);
    return Frontier(*parts_.environment, *parts_.policy, rows);
  }
  std::span<Particle> Of(size_t c) {
    return std::span(particles_).subspan(c * static_cast<size_t>(method_.particles), static_cast<size_t>(method_.particles));
  }
  std::vector<double> LogWeights(size_t c) {
    std::vector<double> log_w;
    for (const Particle& particle : Of(c)) log_w.push_back(particle.log_w);
    return log_w;
  }
  bool IsRetained(int64_t p) const { return !retained_.empty() && p % method_.particles == 0; }
  size_t ConditionOf(int64_t p) const { return static_cast<size_t>(p / method_.particles); }
  uint64_t StreamOf(int64_t p) const {
    return (static_cast<uint64_t>(ConditionOf(p)) << 32) + static_cast<uint64_t>(p % method_.particles);
  }

  // One action of every unfinished particle.
  Status Step() {
    Exploration exploration;
    exploration.temperature = method_.temperature;
    ASSIGN_OR_RETURN(const at::Tensor log_q_NA, frontier_.LogProbs(exploration));
    std::vector<int64_t> live;
    for (size_t p = 0; p < particles_.size(); ++p) {
      if (!particles_[p].done) live.push_back(static_cast<int64_t>(p));
    }
    std::vector<double> uniforms(live.size());
    for (const int64_t p : live)
      uniforms[static_cast<size_t>(particles_[p].row)] = Uniform(key_, StreamOf(p), static_cast<uint64_t>(step_));
    ASSIGN_OR_RETURN(const auto drawn, SampleCategorical(log_q_NA, at::Tensor(), at::tensor(uniforms, at::kDouble)));
    const int64_t* drawn_N = drawn.action_B.const_data_ptr<int64_t>();
    const double* log_q = log_q_NA.const_data_ptr<double>();
    std::vector<int64_t> actions(live.size());
    for (const int64_t p : live) {
      Particle& particle = particles_[p];
      int64_t& action = actions[static_cast<size_t>(particle.row)];
      action = IsRetained(p) ? retained_[ConditionOf(p)][static_cast<size_t>(step_)] : drawn_N[particle.row];
      particle.actions.push_back(action);
      particle.log_q += log_q[particle.row * log_q_NA.size(1) + action];
    }
    const std::vector<bool> done = frontier_.Advance(actions);
    std::vector<int64_t> kept;
    for (const int64_t p : live) {
      Particle& particle = particles_[p];
      particle.done = done[static_cast<size_t>(particle.row)];
      if (particle.done) continue;
      kept.push_back(particle.row);
      particle.row = static_cast<int64_t>(kept.size()) - 1;
    }
    frontier_.Select(kept);
    return OkStatus();
  }

  // Brings the weights of particles up to date: of those that have ended, and of unfinished ones that might end here, whose
  // target is the reward of doing so without the stop itself. Others keep their weights until they can be judged.
  Status Judge() {
    const std::vector<bool> stop_legal = frontier_.size() > 0 ? frontier_.StopLegal() : std::vector<bool>();
    const std::vector<int64_t>& stops = parts_.environment->Spec().stop_actions;
    std::vector<int64_t> asked;
    std::vector<ConditionId> conditions;
    std::vector<Actions> objects;
    for (size_t p = 0; p < particles_.size(); ++p) {
      const Particle& particle = particles_[p];
      if (particle.done ? particle.is_judged : !stop_legal[static_cast<size_t>(particle.row)]) continue;
      asked.push_back(static_cast<int64_t>(p));
      conditions.push_back(conditions_[ConditionOf(static_cast<int64_t>(p))]);
      objects.push_back(particle.actions);
      if (!particle.done) objects.back().push_back(stops[0]);
    }
    if (asked.empty()) return OkStatus();
    num_judged_ += static_cast<int64_t>(asked.size());
    ASSIGN_OR_RETURN(TrajectoryBatch batch, BatchOfActions(*parts_.environment, conditions, objects));
    ASSIGN_OR_RETURN(const RewardValue value, parts_.reward->LogReward(batch));
    const auto stop_term = value.terms.find(parts_.stop_term);
    const at::Tensor log_reward_M = value.log_reward_B.contiguous();
    const at::Tensor stop_M = stop_term == value.terms.end() ? at::zeros_like(log_reward_M) : stop_term->second.contiguous();
    for (size_t i = 0; i < asked.size(); ++i) {
      Particle& particle = particles_[asked[i]];
      const double of_stop = particle.done ? 0 : stop_M.const_data_ptr<double>()[i];
      const double target = (log_reward_M.const_data_ptr<double>()[i] - of_stop) / parts_.temperature;
      particle.log_w += target - particle.judged_target - (particle.log_q - particle.judged_q);
      particle.judged_target = target;
      particle.judged_q = particle.log_q;
      particle.is_judged = particle.done;
    }
    return OkStatus();
  }

  // Conditions whose weights are uneven draw their particles anew.
  void Resample() {
    std::vector<Particle> next;
    for (size_t c = 0; c < conditions_.size(); ++c) {
      const std::vector<double> log_w = LogWeights(c);
      const std::span<Particle> old = Of(c);
      if (EffectiveSampleSize(log_w) >= method_.ess_threshold * static_cast<double>(method_.particles)) {
        next.insert(next.end(), old.begin(), old.end());
        continue;
      }
      log_z_[c] += LogMeanWeight(log_w).mean;
      for (const int64_t ancestor : Ancestors(c, log_w)) {
        next.push_back(old[static_cast<size_t>(ancestor)]);
        next.back().log_w = 0;
      }
    }
    particles_ = std::move(next);
    std::vector<int64_t> rows;
    for (Particle& particle : particles_) {
      if (particle.done) continue;
      rows.push_back(particle.row);
      particle.row = static_cast<int64_t>(rows.size()) - 1;
    }
    frontier_.Select(rows);
  }

  // Systematic, or where a particle is retained: it, and the others drawn one by one, with which conditional SMC is exact.
  std::vector<int64_t> Ancestors(size_t c, const std::vector<double>& log_w) {
    const RngKey key = {key_.seed, RngPurpose::kResample, key_.step};
    const uint64_t position = static_cast<uint64_t>(step_) << 20;
    if (retained_.empty()) return SystematicResampling(log_w, method_.particles, Uniform(key, c, position));
    std::vector<int64_t> ancestors = {0};
    for (int64_t n = 1; n < method_.particles; ++n)
      ancestors.push_back(SystematicResampling(log_w, 1, Uniform(key, c, position + static_cast<uint64_t>(n)))[0]);
    return ancestors;
  }

  const SmcMethod& method_;
  const DecodingParts& parts_;
  const std::vector<ConditionId>& conditions_;
  const std::vector<Actions>& retained_;
  RngKey key_;
  Frontier frontier_;
  std::vector<Particle> particles_;  // those of a condition side by side
  std::vector<double> log_z_;        // of the weights before the last resampling
  int64_t step_ = 0, num_judged_ = 0;
};

}  // namespace

StatusOr<SmcResult> RunSmc(const SmcMethod& method, const DecodingParts& parts, const std::vector<ConditionId>& conditions,
                           const std::vector<Actions>& retained, const RngKey& key) {
  const at::NoGradGuard no_grad;
  return Smc(method, parts, conditions, retained, key).Run();
}

std::vector<int64_t> SystematicResampling(const std::vector<double>& log_w, int64_t num, double uniform) {
  const double most = *std::ranges::max_element(log_w);
  std::vector<double> cumulative;
  double sum = 0;
  for (const double x : log_w) cumulative.push_back(sum += std::exp(x - most));
  std::vector<int64_t> chosen;
  size_t at = 0;
  for (int64_t n = 0; n < num; ++n) {
    const double place = (static_cast<double>(n) + uniform) / static_cast<double>(num) * sum;
    while (at + 1 < cumulative.size() && cumulative[at] <= place) ++at;
    chosen.push_back(static_cast<int64_t>(at));
  }
  return chosen;
}

}  // namespace gfn
