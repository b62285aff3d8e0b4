// ModuleFormer under the names of the published checkpoints: config.json and model.safetensors, into and out of our model.
#pragma once

#include "cmoe/io/llama_weights.hpp"
#include "cmoe/io/moduleformer_config.hpp"
#include "cmoe/io/safetensors.hpp"

namespace cmoe {

namespace detail {

// How a published tensor lies beside ours.
enum class Layout {
  same,        // one parameter, the same shape
  transposed,  // one matrix, (out,in) there and (in,out) here
  slabs        // all slabs of a list joined along the experts
};

// f(published name, our parameters, layout) for everything that a ModuleFormer holds. Parameters that the published models do not
// have come under names of our own: router bias, shared expert, what the attention kind learns, the gate of insertions.
template <class B, class Model>
void for_each_published(Model& model, auto&& f) {
  using P = std::conditional_t<std::is_const_v<Model>, const Param<B>, Param<B>>;
  const auto one = [&](const std::string& name, P& p, Layout layout = Layout::same) {
    if (p) f(name, std::vector<P*>{&p}, layout);
  };
  const auto list = [&](const std::string& name, auto& slabs) {
    std::vector<P*> parts;
    for (P& slab : slabs) parts.push_back(&slab);
    if (!parts.empty()) f(name, parts, Layout::slabs);
  };
  const auto linear = [&](const std::string& name, auto& map) {
    one(name + ".weight", map.weight, Layout::transposed);
    one(name + ".bias", map.bias);
  };
  const auto router = [&](const std::string& name, auto& r) {
    if (r.form == RouterForm::gmm) {
      linear(name + ".w_gate", r.trunk);
      list(name + ".expert_centroids", r.rows);
      one(name + ".temperature", r.temperature);
    } else {
      linear(name + ".w_gate.0", r.trunk);
      list(name + (r.form == RouterForm::mlp ? ".w_gate.3.weight" : ".w_gate.0.weight"), r.rows);
    }
    list(name + ".expert_bias", r.bias);
  };
  one("transformer.wte.weight", model.embedding.weight);
  for (std::size_t l = 0; l < model.blocks.size(); ++l) {
    const std::string block = "transformer.h." + std::to_string(l), attention = block + ".attn", feed = block + ".mlpf";
    auto& b = model.blocks[l];
    one(block + ".ln_1.weight", b.mix_norm.weight), one(block + ".ln_1.bias", b.mix_norm.bias);
    one(block + ".ln_2.weight", b.feed_norm.weight), one(block + ".ln_2.bias", b.feed_norm.bias);
    router(attention + ".q_proj.gate", b.mix.router);
    list(attention + ".q_proj.experts.weight", b.mix.query.slabs);
    list(attention + ".q_proj.output_experts.weight", b.mix.output.slabs);
    linear(attention + ".k_proj", b.mix.key);
    linear(attention + ".v_proj", b.mix.value);
    one(attention + ".head_bias", b.mix.kind.bias);
    one(attention + ".head_norm.weight", b.mix.kind.gain), one(attention + ".head_norm.bias", b.mix.kind.shift);
    router(feed + ".gate", b.feed.router);
    list(feed + ".experts.weight", b.feed.up.slabs);
    list(feed + ".output_experts.weight", b.feed.down.slabs);
    linear(feed + ".shared_expert.up", b.feed.shared_up);
    linear(feed + ".shared_expert.down", b.feed.shared_down);
  }
  one("transformer.ln_f.weight", model.norm.weight), one("transformer.ln_f.bias", model.norm.bias);
  linear("lm_head", model.head);
  one("insertion_gate.weight", model.gate.weight);
}

// f(prefix, router, slabs of its experts...) for both mixtures of every block.
template <class Model>
void for_each_mixture(Model& model, auto&& f) {
  for (std::size_t l = 0; l < model.blocks.size(); ++l) {
    const std::string block = "transformer.h." + std::to_string(l);
    f(block + ".attn.q_proj", block + ".attn.q_proj.gate", model.blocks[l].mix.router, model.blocks[l].mix.query, model.blocks[l].mix.output);
    f(block + ".mlpf", block + ".mlpf.gate", model.blocks[l].feed.router, model.blocks[l].feed.up, model.blocks[l].feed.down);
  }
}

inline Shape published_shape(const auto& parts, Layout layout) {
  Shape s = parts[0]->shape();
  if (layout == Layout::transposed) return {s[1], s[0]};
  for (std::size_t i = 1; i < parts.size(); ++i) s = s.with(0, s[0] + parts[i]->shape()[0]);
  return s;
}

// The sizes of the slabs, one for each insertion: they matter to the gate of insertions alone, without it all is one slab.
inline std::vector<Index> slab_sizes(const SafeTensors& file, const std::string& name, Index total, const std::string& where) {
  const StoredTensor* stored = file.find(name);
  if (!stored || !file.find("insertion_gate.weight")) return {total};
  const auto sizes = stored->values<std::int64_t>();
  Index sum = 0;
  for (std::int64_t n : sizes) {
    check(n >= 0 && n <= total, ErrorKind::format, where, ": ", name, " holds ", n);
    sum += n;
  }
  check(!sizes.empty() && sum == total, ErrorKind::format, where, ": ", name, " adds up to ", sum, ", there are ", total, " experts");
  return {sizes.begin(), sizes.end()};
}

template <class B>
void empty_slabs(std::vector<Param<B>>& slabs, const std::vector<Index>& sizes, Shape shape) {  // by value: it may be that of a slab
  slabs.clear();
  for (Index n : sizes) slabs.emplace_back(shape.with(0, n));
}

// Gives every mixture as many experts, in as many insertions, as the file holds.
template <class B>
void shape_mixtures(ModuleFormer::On<B>& model, const SafeTensors& file, const std::string& where) {
  for_each_mixture(model, [&](const std::string& prefix, const std::string& gate, auto& router, auto& in, auto& out) {
    const char* rows_name = router.form == RouterForm::gmm ? ".expert_centroids" : router.form == RouterForm::mlp ? ".w_gate.3.weight" : ".w_gate.0.weight";
    const StoredTensor &rows = file.at(gate + rows_name), &weights = file.at(prefix + ".experts.weight");
    check(rows.shape.rank() == 2 && weights.shape.rank() == 3, ErrorKind::format, where, ": ", prefix, " holds experts ", weights.shape,
          " and router rows ", rows.shape);
    empty_slabs(router.rows, slab_sizes(file, gate + ".row_groups", rows.shape[0], where), router.rows[0].shape());
    if (file.find(gate + ".expert_bias")) {
      router.bias.clear();
      for (const Param<B>& slab : router.rows) router.bias.emplace_back(Shape{slab.shape()[0]});
    }
    if (const StoredTensor* kept = file.find(gate + ".selectable")) {
      const auto chosen = kept->values<std::int64_t>();
      router.selectable.assign(chosen.begin(), chosen.end());
      Index before = -1;
      for (Index row : router.selectable) {
        check(row > before && row < rows.shape[0], ErrorKind::format, where, ": ", kept->name, " names row ", row, " of ", rows.shape[0]);
        before = row;
      }
    }
    check(router.experts() == weights.shape[0] && router.experts() >= router.chosen, ErrorKind::format, where, ": ", prefix, " has ",
          weights.shape[0], " experts, its router ", router.experts(), " rows for them, and each token uses ", router.chosen);
    const std::vector<Index> sizes = slab_sizes(file, prefix + ".expert_groups", weights.shape[0], where);
    empty_slabs(in.slabs, sizes, in.slabs[0].shape());
    empty_slabs(out.slabs, sizes, out.slabs[0].shape());
  });
  if (const StoredTensor* rows = file.find("insertion_gate.weight")) {
    check(rows->shape.rank() == 2 && rows->shape[1] == model.config.width, ErrorKind::format, where, ": insertion_gate.weight ", rows->shape);
    for (Index i = 0; i < rows->shape[0]; ++i) model.gate.grow();
    model.gate.active = rows->shape[0];
  }
}

}  // namespace detail

// A model from the tensors of a file. Numbers of experts are those of the file, everything else must fit the configuration.
// throws Error (format) for tensors that are missing, too many or of another shape, (numeric) for NaN or infinity
template <class B>
ModuleFormer::On<B> make_moduleformer(const ModuleFormer::Config& config, const SafeTensors& file, const std::string& where) {
  using Real = typename B::Scalar;
  const auto expect = [&](const std::string& name, const Shape& shape) {
    check(file.at(name).shape == shape, ErrorKind::format, where, ": ", name, " is ", file.at(name).shape, ", expected ", shape);
  };
  // Before anything is built the sizes must be the file's: a wrong config must not ask for all memory.
  expect("transformer.wte.weight", {config.vocabulary, config.width});
  expect("transformer.h." + std::to_string(config.layers - 1) + ".ln_2.bias", {config.width});
  const Shape &query = file.at("transformer.h.0.attn.q_proj.experts.weight").shape, &up = file.at("transformer.h.0.mlpf.experts.weight").shape;
  check(query.rank() == 3 && up.rank() == 3 && query[2] == config.block.mix.size && up[2] == config.block.feed.hidden, ErrorKind::format, where,
        ": experts ", query, " and ", up, " do not have the inner sizes ", config.block.mix.size, " and ", config.block.feed.hidden);
  ModuleFormer::Config smallest = config;  // the file's numbers of experts come below
  smallest.block.mix.router.experts = config.block.mix.router.chosen;
  smallest.block.feed.router.experts = config.block.feed.router.chosen;
  ModuleFormer::On<B> model(smallest, Rng(0));
  model.config = config;
  detail::shape_mixtures(model, file, where);
  file.check_finite();
  std::size_t read = 0;
  detail::for_each_published<B>(model, [&](const std::string& name, const std::vector<Param<B>*>& parts, detail::Layout layout) {
    expect(name, detail::published_shape(parts, layout));
    const auto values = file.at(name).template values<Real>();
    ++read;
    if (layout == detail::Layout::transposed) {
      const Shape& s = parts[0]->shape();
      return parts[0]->assign(transposed<Real>(values, s[1], s[0]));
    }
    std::size_t at = 0;
    for (Param<B>* part : parts) {
      const auto size = static_cast<std::size_t>(part->size());
      part->assign(std::span(values).subspan(at, size));
      at += size;
    }
  });
  for (const StoredTensor& t : file.tensors()) {
    const auto ends = [&](std::string_view end) { return std::string_view(t.name).ends_with(end); };
    read += ends(".attn.mask") || ends(".attn.cum_weight") || ends("_groups") || ends(".selectable");  // buffers, and how experts stand
  }
  check(read == file.tensors().size(), ErrorKind::format, where, ": holds ", file.tensors().size(), " tensors, ", read,
        " of them belong to this model");
  return model;
}

// A folder with config.json and model.safetensors. throws Error (file), (format), (numeric)
template <class B>
ModuleFormer::On<B> load_moduleformer(const Path& folder) {
  const ModuleFormer::Config config = moduleformer_config(read_json(folder / "config.json"), (folder / "config.json").string());
  const Path weights = folder / "model.safetensors";
  return make_moduleformer<B>(config, SafeTensors::open(weights), weights.string());
}

// Writes the folder, which must not be there yet; it appears complete or not at all. `about` joins the file's metadata.
template <class B>
void save_moduleformer(const Path& folder, const ModuleFormer::On<B>& model, const std::map<std::string, std::string>& about = {}) {
  using Real = typename B::Scalar;
  check(!std::filesystem::exists(folder), ErrorKind::file, folder.string(), ": is there already; name a folder that is not");
  SafeTensorsWriter writer;
  writer.metadata = about;
  writer.metadata["format"] = "pt";
  detail::for_each_published<B>(model, [&](const std::string& name, const std::vector<const Param<B>*>& parts, detail::Layout layout) {
    std::vector<Real> all;
    for (const Param<B>* part : parts) {
      const auto values = part->values();
      all.insert(all.end(), values.begin(), values.end());
    }
    const Shape shape = detail::published_shape(parts, layout);
    if (layout == detail::Layout::transposed) all = transposed<Real>(all, shape[1], shape[0]);
    writer.add(name, shape, std::span<const Real>(all));
  });
  const auto numbers = [&](const std::string& name, const std::vector<Index>& values) {
    const std::vector<std::int64_t> wide(values.begin(), values.end());
    writer.add(name, Shape{static_cast<Index>(wide.size())}, std::span<const std::int64_t>(wide));
  };
  detail::for_each_mixture(model, [&](const std::string& prefix, const std::string& gate, const auto& router, const auto& in, const auto&) {
    const auto sizes = [](const auto& slabs) {
      std::vector<Index> out;
      for (const auto& slab : slabs) out.push_back(slab.shape()[0]);
      return out;
    };
    if (model.gate.weight && router.rows.size() > 1) numbers(gate + ".row_groups", sizes(router.rows));
    if (model.gate.weight && in.slabs.size() > 1) numbers(prefix + ".expert_groups", sizes(in.slabs));
    if (!router.selectable.empty()) numbers(gate + ".selectable", router.selectable);
  });
  write_folder_atomically(folder, [&](const Path& draft) {
    writer.save(draft / "model.safetensors");
    write_file_atomically(draft / "config.json", moduleformer_json(model.config).dump(1) + "\n");
  });
}

}  // namespace cmoe
