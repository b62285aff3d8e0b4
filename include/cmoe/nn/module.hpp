// Modules: plain structs whose one static function `visit` names their fields; counting, freezing, saving are visitors.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
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

// Where a module lives: its Backend, or the first argument of its template.
template <class M>
struct BackendOf {
  static_assert(requires { typename M::Backend; }, "a module needs `using Backend = B;` beside its visit()");
};
template <class M>
  requires requires { typename M::Backend; }
struct BackendOf<M> {
  using Type = typename M::Backend;
};
template <template <class...> class M, class B, class... Rest>
  requires(requires { typename B::Scalar; } && !requires { typename M<B, Rest...>::Backend; })
struct BackendOf<M<B, Rest...>> {
  using Type = B;
};

}  // namespace detail

// A parameter of a module under its name there: "layers.0.attention.query.weight".
template <class B>
struct NamedParam {
  std::string name;
  Param<B>* param;
};

namespace detail {

// Walks fields, lists and optional parts down to the parameters.
template <class B>
struct ParamVisitor {
  std::string& path;
  std::vector<NamedParam<B>>& found;

  template <class Field>
  void operator()(const char* name, Field& field) const {
    const std::size_t outer = path.size();
    if (outer > 0) path += '.';
    path += name;
    descend(field);
    path.resize(outer);
  }

  template <class T>
  void descend(T& field) const {
    if constexpr (IsParam<T>::value) {
      if (field) found.push_back({path, &field});
    } else if constexpr (IsList<T>::value) {
      for (std::size_t i = 0; i < field.size(); ++i) (*this)(std::to_string(i).c_str(), field[i]);
    } else if constexpr (IsOptional<T>::value) {
      if (field) descend(*field);
    } else {
      T::visit(field, *this);
    }
  }
};

}  // namespace detail

// Every parameter of the module, in the order of its visit(). A module names its fields, and where it lives if its template does
// not say so:
//     static void visit(auto& self, auto&& v) { v("weight", self.weight); v("inner", self.inner); }
//     using Backend = B;
template <class M, class B = typename detail::BackendOf<M>::Type>
[[gnu::noinline]] std::vector<NamedParam<B>> parameters(M& module) {
  std::vector<NamedParam<B>> found;
  std::string path;
  M::visit(module, detail::ParamVisitor<B>{path, found});
  return found;
}

// f(name, param) for every parameter of the module.
template <class M, class F>
void for_each_param(M& module, F&& f) {
  for (const auto& [name, param] : parameters(module)) f(name, *param);
}
template <class M, class F>
void for_each_param(const M& module, F&& f) {
  for (const auto& [name, param] : parameters(const_cast<M&>(module))) f(name, std::as_const(*param));  // f cannot change what it gets
}

// Which parameters count.
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

// All parameters of a module: out of training, into it, without the gradients they hold.
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

namespace detail {
template <class M>
auto by_name(M& module) {
  std::unordered_map<std::string, decltype(parameters(module).front().param)> found;
  for (const auto& [name, param] : parameters(module)) found.emplace(name, param);
  return found;
}
}  // namespace detail

// Copies the values of every parameter of `from` into the one of the same name in `to`; what `from` keeps as it lies in a file is
// shared.
// throws Error if `to` lacks a name or has it with another shape; parameters that only `to` has stay as they are
template <class From, class To>
void copy_parameters(const From& from, To& to) {
  const auto targets = detail::by_name(to);
  for_each_param(from, [&](const std::string& name, const auto& source) {
    const auto target = targets.find(name);
    check(target != targets.end(), ErrorKind::misuse, "copy_parameters: the target has no ", name);
    check(source.shape() == target->second->shape(), "copy_parameters: ", name, " is ", source.shape(), " here and ", target->second->shape(),
          " there");
    if (source.stored()) return target->second->store(source.stored());
    const auto values = source.values();
    target->second->assign(values);
  });
}

// Lets every parameter of `to` that `from` has by the same name use from's memory, frozen: one backbone under two models.
// throws Error if a shape differs
template <class From, class To>
void share_parameters(const From& from, To& to) {
  const auto targets = detail::by_name(to);
  for_each_param(from, [&](const std::string& name, const auto& source) {
    const auto target = targets.find(name);
    if (target == targets.end()) return;
    if (source.stored()) target->second->store(source.stored());
    else target->second->share(source.value());
  });
}

// A 64-bit hash of names, shapes and values of all parameters: equal models have equal hashes, however their weights are kept.
template <class M>
std::uint64_t hash(const M& module) {
  std::uint64_t h = 0;
  for_each_param(module, [&](const std::string& name, const auto& p) { h = stable_hash(name, h ^ p.hash()); });
  return h;
}

}  // namespace cmoe
