// All mistakes of a configuration, collected so that the user sees them at once.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "gflownet/base/status.h"

namespace gfn {

// Where a value came from: a place in a file ("run.yaml:3:7") or an override ("--set a.b=c").
struct ConfigOrigin {
  std::string name;
  int line = 0;  // from 1; 0: the origin has no lines
  int column = 0;
};

class ConfigErrors {
 public:
  // For Validate: `field` is the path of the value at fault relative to the struct being validated ("" for all of it), and
  // `message` says what was found and what was expected ("is 3, but must be at least min_len (4)").
  void Add(std::string_view field, std::string_view message);

  bool empty() const { return mistakes_.empty(); }
  // One line per mistake, in the order of the file and then of the overrides: "file:line:col: [a.b.c] message".
  Status ToStatus() const;

 private:
  friend class ConfigLoader;
  struct Mistake {
    ConfigOrigin origin;
    std::string path;
    std::string message;
  };

  void AddAt(const ConfigOrigin& origin, std::string_view path, std::string_view message);
  void SetOrigin(const std::string& path, const ConfigOrigin& origin) { origins_[path] = origin; }
  bool WasGiven(const std::string& path) const { return origins_.contains(path); }
  // What was said inside of `path` no longer holds (another alternative or list took its place).
  void ForgetBelow(const std::string& path);
  bool HasMistakeWithin(std::string_view path) const;
  // Of the path itself or of the closest value around it that was given.
  ConfigOrigin OriginOf(std::string_view path) const;

  std::vector<Mistake> mistakes_;
  std::map<std::string, ConfigOrigin> origins_;
  std::string prefix_;  // path of the struct being validated
};

// "a" + "b" = "a.b"; an empty side adds no dot.
std::string JoinConfigPath(std::string_view parent, std::string_view child);

}  // namespace gfn
