// Products: plain with gaps between rows, batched, grouped, and of matrices as they lie in a file.
#pragma once

#include <cstring>
#include <memory>

#include "cmoe/io/gguf_blocks.hpp"
#include "cuda/draw_case.hpp"

namespace parity {

template <class B>
Form form_of(Draw<B>& d) {
  return std::array{Form::nn, Form::nt, Form::tn}[static_cast<std::size_t>(d.below(3))];
}

// Random bytes, in which the numbers of 16 bits that scales are made of are small.
template <class B>
std::shared_ptr<const cmoe::StoredMatrix> stored(Draw<B>& d, const cmoe::BlockType& type, Index rows, Index blocks) {
  auto bytes = std::make_shared<std::vector<std::byte>>(static_cast<std::size_t>(rows * blocks * type.bytes));
  const auto half = [&](std::size_t at) {  // 1/64 and some
    (*bytes)[at + 1] = std::byte{0x24};
  };
  for (std::byte& b : *bytes) b = static_cast<std::byte>(d.below(256));
  for (std::size_t block = 0; block < bytes->size(); block += static_cast<std::size_t>(type.bytes)) switch (type.id) {
      case 0:
        for (std::size_t i = 0; i < 4; ++i) (*bytes)[block + i] = static_cast<std::byte>(i == 3 ? 0x3e : 0x17);
        break;
      case 30: (*bytes)[block + 1] = std::byte{0xbe}; break;
      case 10: half(block + 80), half(block + 82); break;
      case 11: half(block + 108); break;
      case 14: half(block + 208); break;
      case 3: case 7: case 12: case 13: half(block), half(block + 2); break;
      default: half(block);
    }
  const cmoe::Bytes view(*bytes);
  return std::make_shared<const cmoe::StoredMatrix>(type, rows, blocks * type.numbers, view, bytes);
}

template <class B>
std::vector<Case<B>> product_cases() {
  std::vector<Case<B>> cases;
  cases.push_back({"gemm", [](Draw<B>& d) {
                     const Form form = form_of(d);
                     const Index m = d.size(), n = d.size(), k = d.size(), ga = d.few(), gb = d.few(), gc = d.few();
                     const Index lda = (form == Form::tn ? m : k) + ga, ldb = (form == Form::nt ? k : n) + gb, ldc = n + gc;
                     const Array<B> a = d.numbers((form == Form::tn ? k : m) * lda), b = d.numbers((form == Form::nt ? n : k) * ldb);
                     Array<B> c = d.numbers(m * ldc);
                     B::gemm(form, m, n, k, d.number(), a.data(), lda, b.data(), ldb, d.coin(), c.data(), ldc);
                     d.keep(c);
                   }});
  cases.push_back({"gemm_batched", [](Draw<B>& d) {
                     const Form form = form_of(d);
                     const Index batch = d.few(), m = d.size(), n = d.size() % 70, k = d.size() % 40, sa = d.coin() ? 0 : m * k,
                                 sb = d.coin() ? 0 : k * n;
                     const Array<B> a = d.numbers(std::max<Index>(batch, 1) * m * k), b = d.numbers(std::max<Index>(batch, 1) * k * n);
                     Array<B> c = d.numbers(batch * m * n);
                     B::gemm_batched(form, batch, m, n, k, d.number(), a.data(), sa, b.data(), sb, d.coin(), c.data(), m * n);
                     d.keep(c);
                   }});
  cases.push_back({"gemm_grouped", [](Draw<B>& d) {
                     const Form form = form_of(d);
                     const Index groups = d.few() + 1, n = d.size() % 70, k = d.size() % 70;
                     std::vector<Index> offsets = {0};
                     for (Index e = 0; e < groups; ++e) offsets.push_back(offsets.back() + d.size());
                     const Index rows = offsets.back();
                     const Array<B> a = d.numbers(rows * k), b = d.numbers(form == Form::tn ? rows * n : groups * k * n);
                     Array<B> c = d.numbers(form == Form::tn ? groups * k * n : rows * n);
                     B::gemm_grouped(form, groups, offsets.data(), n, k, d.number(), a.data(), b.data(), d.coin(), c.data());
                     d.keep(c);
                   }});
  cases.push_back({"stored matrices", [](Draw<B>& d) {
                     const auto& types = cmoe::detail::block_types;
                     const auto& type = types[static_cast<std::size_t>(d.below(static_cast<Index>(types.size())))];
                     const Index rows = d.some(), blocks = type.numbers == 1 ? d.some() : 1 + d.few() % 3, m = d.below(6), n = d.few();
                     const auto w = stored(d, type, rows, blocks);
                     const Array<B> x = d.numbers(m * w->cols()), dy = d.numbers(m * rows);
                     const Ids<B> ids = d.ids(n, rows);
                     Array<B> y({m, rows}), dx({m, w->cols()}), z({n, w->cols()});
                     B::stored_product(*w, m, x.data(), y.data());
                     B::stored_product_back(*w, m, dy.data(), dx.data());
                     B::gather_stored(*w, n, ids.data(), z.data());
                     d.keep(y);
                     d.keep(dx);
                     d.keep(z);
                   }});
  return cases;
}

}  // namespace parity
