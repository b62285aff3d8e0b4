// Modules: plain structs whose one static function `visit` names their fields; counting, freezing, saving are visitors.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cmoe/core/random.hpp"
#include "cmoe/nn/param.hpp"

namespace cmoe {

namespace detail {

template <class T>
struct IsParam : std::false_type {};
template <class B>
struct IsParam<Param<B>> : std::true_type {};
template <class T>
struct IsList : std::false_type {};
template <class T>
struct IsList<std::vector<T>> : std::true_type {};
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

inline std::string joined(const std::string& path, const char* name) { return path.empty() ? name : path + "." + name; }

// Walks fields, lists and optional parts down to the parameters.
template <class F>
struct ParamVisitor {
  const std::string& path;
  F& f;

  template <class Field>
  void operator()(const char* name, Field& field) const {
    descend(joined(path, name), field);
  }

  template <class Field>
  void descend(const std::string& at, Field& field) const {
    using T = std::remove_const_t<Field>;
    if constexpr (IsParam<T>::value) {
      if (field) f(at, field);
    } else if constexpr (IsList<T>::value) {
      for (std::size_t i = 0; i < field.size(); ++i) descend(at + "." + std::to_string(i), field[i]);
    } else if constexpr (IsOptional<T>::value) {
      if (field) descend(at, *field);
    } else {
      T::visit(field, ParamVisitor<F>{at, f});
    }
  }
};

}  // namespace detail

// f(name, param) for every parameter of the module, in the order of its visit(): "layers.0.attention.query.weight".
// A module has   static void visit(auto& self, auto&& v) { v("weight", self.weight); v("inner", self.inner); }
template <class M, class F>
void for_each_param(M& module, F&& f) {
  const std::string root;
  M::visit(module, detail::ParamVisitor<std::remove_reference_t<F>>{root, f});
}
template <class M, class F>
void for_each_param(const M& module, F&& f) {
  const std::string root;
  M::visit(module, detail::ParamVisitor<std::remove_reference_t<F>>{root, f});
}

enum class Count { all, trainable };

// Number of scalars in the module's parameters.
template <class M>
Index parameter_count(const M& module, Count which = Count::all) {
  Index total = 0;
  for_each_param(module, [&](const std::string&, const auto& p) {
    if (which == Count::all || !p.frozen()) total += p.size();
  });
  return total;
}

template <class M>
void freeze(M& module) {
  for_each_param(module, [](const std::string&, auto& p) { p.freeze(); });
}
template <class M>
void unfreeze(M& module) {
  for_each_param(module, [](const std::string&, auto& p) { p.unfreeze(); });
}
template <class M>
void clear_gradients(M& module) {
  for_each_param(module, [](const std::string&, auto& p) { p.clear_gradient(); });
}

// Copies the values of every parameter of `from` into the one of the same name in `to`.
// throws Error if `to` lacks a name or has it with another shape; parameters that only `to` has stay as they are
template <class From, class To>
void copy_parameters(const From& from, To& to) {
  for_each_param(from, [&](const std::string& name, const auto& source) {
    bool found = false;
    for_each_param(to, [&](const std::string& other, auto& target) {
      if (other != name) return;
      check(source.shape() == target.shape(), "copy_parameters: ", name, " is ", source.shape(), " here and ", target.shape(), " there");
      const auto values = source.values();
      target.assign(values);
      found = true;
    });
    check(found, ErrorKind::misuse, "copy_parameters: the target has no ", name);
  });
}

// Lets every parameter of `to` that `from` has by the same name use from's memory, frozen: one backbone under two models.
// throws Error if a shape differs
template <class From, class To>
void share_parameters(const From& from, To& to) {
  for_each_param(to, [&]<class B>(const std::string& name, Param<B>& p) {
    for_each_param(from, [&](const std::string& other, const Param<B>& source) {
      if (other == name) p.share(source.value());
    });
  });
}

// A 64-bit hash of names, shapes and bits of all parameters: equal models have equal hashes.
template <class M>
std::uint64_t hash(const M& module) {
  std::uint64_t h = 0;
  for_each_param(module, [&](const std::string& name, const auto& p) {
    h = stable_hash(name, h);
    h = stable_hash(p.shape().text(), h);
    const auto values = p.values();
    h = stable_hash({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(values[0])}, h);
  });
  return h;
}

}  // namespace cmoe
