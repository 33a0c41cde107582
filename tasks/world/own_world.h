// A kind of world that a program brings along, beside those of this project: `task: {kind: <its kKind>, ...}` in its YAML files,
// with the keys of its own config struct and those of every world. Programs use app/run_main.h.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "gflownet/base/config_make_slot.h"
#include "gflownet/base/status.h"
#include "gflownet/env/world.h"

namespace gfn {

struct World;  // world.h, which whoever offers a kind includes

// The config struct of such a kind, without its type.
class OwnConfig {
 public:
  virtual ~OwnConfig() = default;
  virtual std::unique_ptr<OwnConfig> Clone() const = 0;
  virtual void Visit(ConfigFieldCollector& v) = 0;
  virtual void Validate(ConfigErrors& errors) const = 0;
  virtual StatusOr<std::unique_ptr<World>> Make() const = 0;
};

// The world as a task takes it, with one condition. FailedPrecondition where it cannot be listed for another reason than its
// size.
StatusOr<std::unique_ptr<World>> ToWorld(RewardedWorld rewarded);
// The same of a world that this project's tests do not know: its answers are checked as they come, and its whole contract where
// it is used first (World::contract).
StatusOr<std::unique_ptr<World>> ToOwnWorld(RewardedWorld rewarded);

template <class Config, class Result>
class OwnConfigOf : public OwnConfig {
 public:
  using Maker = StatusOr<Result> (*)(const Config&);
  explicit OwnConfigOf(Maker make) : make_(make) {}
  std::unique_ptr<OwnConfig> Clone() const override { return std::make_unique<OwnConfigOf>(*this); }
  void Visit(ConfigFieldCollector& v) override { config_.Visit(v); }
  void Validate([[maybe_unused]] ConfigErrors& errors) const override {
    if constexpr (requires { config_.Validate(errors); }) config_.Validate(errors);
  }
  StatusOr<std::unique_ptr<World>> Make() const override {
    ASSIGN_OR_RETURN(Result made, make_(config_));
    if constexpr (std::is_same_v<Result, RewardedWorld>) {
      return ToOwnWorld(std::move(made));
    } else {
      return made;
    }
  }

 private:
  Config config_;
  Maker make_;
};

struct OwnWorldKind {
  std::string kind;
  std::unique_ptr<const OwnConfig> defaults;
};

// `Config` has kKind, Visit and perhaps Validate (gflownet/base/config_reader.h). `make` returns a RewardedWorld, or a World
// (tasks/world/world.h) where there are conditions, modes or pictures.
template <class Config, class Result>
OwnWorldKind MakeOwnWorldKind(StatusOr<Result> (*make)(const Config&)) {
  return {std::string(Config::kKind), std::make_unique<const OwnConfigOf<Config, Result>>(make)};
}

// From here on configurations know the kind. Once, before the first of them is read.
void OfferOwnWorld(OwnWorldKind kind);

// The alternative of TaskConfig: a configuration of the kind that the program offers.
class OwnWorld {
 public:
  static std::string kKind;  // empty where nothing is offered
  OwnWorld();
  OwnWorld(const OwnWorld& other);
  OwnWorld& operator=(const OwnWorld& other);
  ~OwnWorld();
  void Visit(ConfigFieldCollector& v);
  void Validate(ConfigErrors& errors) const;
  StatusOr<std::unique_ptr<World>> Make() const;

 private:
  std::unique_ptr<OwnConfig> config_;
};

StatusOr<std::unique_ptr<World>> MakeWorld(const OwnWorld& config);

}  // namespace gfn
