// The whole library in reading order: a table of contents. A header includes its own folder or earlier ones only.
// Programs that care about compile time include the parts they use; every header stands alone.
#pragma once

#include "cmoe/version.hpp"

// core: what a value is and what a device can do
#include "cmoe/core/compiler.hpp"   // what the compiler must be
#include "cmoe/core/error.hpp"      // one exception type that names the operation and the shapes
#include "cmoe/core/shape.hpp"      // sizes of a contiguous row-major array
#include "cmoe/core/scalar.hpp"     // mathematics of one number, under the names that packs use too
#include "cmoe/core/functors.hpp"   // elementwise formulas, each with its derivative
#include "cmoe/core/product.hpp"    // the sizes of products and attentions
#include "cmoe/core/stored_matrix.hpp"  // a matrix as it lies in a file
#include "cmoe/core/backend.hpp"    // the complete list of what a device must be able to do
#include "cmoe/core/owners.hpp"     // how many handles share an object
#include "cmoe/core/memory.hpp"     // aligned, counted buffers from a cache
#include "cmoe/core/array.hpp"      // a shape and a shared buffer
#include "cmoe/core/random.hpp"     // numbers that are a function of seed, name and position
#include "cmoe/core/parallel.hpp"   // the thread pool; its partition never depends on the number of threads

// cpu: the backend of the host
#include "cmoe/cpu/eigen.hpp"       // Eigen, of a version that is new enough
#include "cmoe/cpu/cpu.hpp"         // Cpu<float> and Cpu<double>
#include "cmoe/cpu/solve.hpp"       // linear equations

// cuda: the backend of GPUs, defined in the folder cuda
#include "cmoe/cuda/buffer.hpp"      // shared handles on memory that the host cannot look into
#include "cmoe/cuda/primitives.hpp"  // the primitives of a device, declared
#include "cmoe/cuda/cuda.hpp"        // Cuda<float> and Cuda<double>

// autograd: gradients
#include "cmoe/autograd/tensor.hpp"      // an array that may want a gradient
#include "cmoe/autograd/tape.hpp"        // the scope in which operations are recorded, and played backwards
#include "cmoe/autograd/checkpoint.hpp"  // keep the inputs of a segment, compute it again on the way back
#include "cmoe/autograd/gradcheck.hpp"   // a gradient against difference quotients: for tests of your own operations

// ops: what can be done to tensors, forward and back
#include "cmoe/ops/elementwise.hpp"  // exp, tanh, silu, gelu, ...
#include "cmoe/ops/arithmetic.hpp"   // + - * / and repetition over leading axes
#include "cmoe/ops/matmul.hpp"       // matrix products
#include "cmoe/ops/reduce.hpp"       // sums and means
#include "cmoe/ops/softmax.hpp"      // softmax and log-sum-exp
#include "cmoe/ops/norm.hpp"         // layer norm, RMS norm
#include "cmoe/ops/index.hpp"        // gather, scatter, top-k: ids are checked here
#include "cmoe/ops/layout.hpp"       // reshape, join, cut, swap axes
#include "cmoe/ops/loss.hpp"         // cross-entropy with ignored labels

// nn: modules are plain structs with one static visit()
#include "cmoe/nn/param.hpp"      // a leaf that training may change
#include "cmoe/nn/module.hpp"     // count, freeze, hash: visitors
#include "cmoe/nn/init.hpp"       // initial values from named random sequences
#include "cmoe/nn/flow.hpp"       // what travels beside the activations
#include "cmoe/nn/linear.hpp"     // y = x W + b
#include "cmoe/nn/embedding.hpp"  // token table, and its second use as output layer
#include "cmoe/nn/norm.hpp"       // the norms with their parameters
#include "cmoe/nn/mlp.hpp"        // feed-forward layers
#include "cmoe/nn/rotary.hpp"     // rotary positions
#include "cmoe/nn/block.hpp"      // the pre-norm residual block
#include "cmoe/nn/expect_module.hpp"  // whether visit() forgets a parameter: for tests of your own modules

// attention: tokens meet
#include "cmoe/attention/attention.hpp"       // the concept and the shapes
#include "cmoe/attention/causal.hpp"          // softmax over the past, rotary positions
#include "cmoe/attention/stick.hpp"           // shares of a stick
#include "cmoe/attention/early_exit.hpp"      // the walk that ends when nothing is left
#include "cmoe/attention/stickbreaking.hpp"   // both as a kind of attention, no positions
#include "cmoe/attention/self_attention.hpp"  // self-attention over any kind and any linear map
#include "cmoe/attention/biased_attention.hpp"  // softmax with a bias of scores, also to another sequence
#include "cmoe/attention/relative_bias.hpp"   // distances in buckets as a bias

// pet: parameter-efficient tuning
#include "cmoe/pet/delta.hpp"           // what is added to a frozen map: y = W x + Σ_e g_e Δ_e(x)
#include "cmoe/pet/lora.hpp"            // low-rank deltas: one, or a mixture with one for each task
#include "cmoe/pet/sparse.hpp"          // deltas of single entries, neurons or ranks, shared by tasks
#include "cmoe/pet/observed.hpp"        // the mixture that shows its inputs
#include "cmoe/pet/dora.hpp"            // a low-rank block turns columns, their lengths are trained apart
#include "cmoe/pet/ia3.hpp"             // one factor for each feature that enters or leaves a map
#include "cmoe/pet/routed_lora.hpp"     // LoRA experts mixed for every token
#include "cmoe/pet/prefix.hpp"          // prompts: one a task, mixed by the gates
#include "cmoe/pet/prompt_tuning.hpp"   // one prompt for all tasks
#include "cmoe/pet/joined_prompts.hpp"  // one prompt a task, the newest in front
#include "cmoe/pet/prompt_pool.hpp"     // prompts, a few of which are chosen for each sequence

// moe: mixtures of experts
#include "cmoe/moe/pool.hpp"                  // what a gate reads: the prompt, never an answer
#include "cmoe/moe/gate.hpp"                  // one decision for a whole sequence, read from its prompt
#include "cmoe/moe/key_attention.hpp"         // attention over the keys of tasks; gates that do not compete
#include "cmoe/moe/analytic.hpp"              // the router that is solved and not trained
#include "cmoe/moe/lattice.hpp"               // which tasks share which units, and how a new task splits them
#include "cmoe/moe/cosine_keys.hpp"           // keys that are compared by direction: a gate that chooses prompts
#include "cmoe/moe/choose.hpp"                // from scores to the chosen experts and their weights
#include "cmoe/moe/router.hpp"                // k of E experts for each token
#include "cmoe/moe/dispatch.hpp"              // tokens sorted by expert, one grouped product, and back
#include "cmoe/moe/expert.hpp"                // weights of many experts
#include "cmoe/moe/mixture.hpp"               // the feed-forward layer as a mixture
#include "cmoe/moe/mixture_of_attention.hpp"  // the attention layer as a mixture
#include "cmoe/moe/prune.hpp"                 // which experts are used, and which stay

// regularizer: losses beside the task's
#include "cmoe/regularizer/anchor.hpp"         // the Fisher diagonal and quadratic anchors
#include "cmoe/regularizer/orthogonal.hpp"     // directions shared with old modules
#include "cmoe/regularizer/reflection.hpp"     // attention on old inputs held to what it was
#include "cmoe/regularizer/sensitivity.hpp"    // how much a task depends on each entry
#include "cmoe/regularizer/route.hpp"          // a router's old decisions without old data
#include "cmoe/regularizer/balance.hpp"        // mutual information, switch, z, concentration
#include "cmoe/regularizer/router_anchor.hpp"  // routers near what they were
#include "cmoe/regularizer/distillation.hpp"   // held to what another model says
#include "cmoe/regularizer/subspace.hpp"       // directions that inputs have used

// models: an architecture is a type made of recipes
#include "cmoe/models/decoder_config.hpp"  // sizes, and which of them make sense
#include "cmoe/models/adapted.hpp"         // a pretrained decoder with deltas and a gate
#include "cmoe/models/llama.hpp"           // the decoder without deltas
#include "cmoe/models/tuned.hpp"           // the decoder with DoRA, IA3 or a prompt
#include "cmoe/models/t5_config.hpp"       // an encoder-decoder's sizes
#include "cmoe/models/t5_rows.hpp"         // prompts and answers as its halves read them
#include "cmoe/models/t5_block.hpp"        // its layers
#include "cmoe/models/t5.hpp"              // T5 with deltas and a gate
#include "cmoe/models/merged.hpp"          // an adapted decoder as a plain one
#include "cmoe/models/pmoe.hpp"            // PMoE: shallow LoRA, deep experts, one gate
#include "cmoe/models/dapt.hpp"            // DAPT: a block and a key for each task
#include "cmoe/models/seta.hpp"            // SETA: sparse experts, unique and shared
#include "cmoe/models/moduleformer.hpp"    // ModuleFormer: both sublayers are mixtures
#include "cmoe/models/generate.hpp"        // token by token over a KV cache
#include "cmoe/models/any_model.hpp"       // a model of any type behind one type

// train: batches, rates, the optimiser, the step
#include "cmoe/train/batch.hpp"     // what is trained on, what a gate may read, what is padding
#include "cmoe/train/schedule.hpp"  // learning rates
#include "cmoe/train/adamw.hpp"     // the optimiser over a flat list of parameters
#include "cmoe/train/step.hpp"      // named loss terms, backward, clip, update

// continual: streams of tasks
#include "cmoe/continual/task.hpp"                  // tasks and streams
#include "cmoe/continual/encode.hpp"                // tasks as ids
#include "cmoe/continual/words.hpp"                 // raw material of the generated tasks
#include "cmoe/continual/languages.hpp"             // invented languages
#include "cmoe/continual/string_rules.hpp"          // what the generated tasks do to a string
#include "cmoe/continual/builtin_stream.hpp"        // the built-in stream of eight tasks
#include "cmoe/continual/skills.hpp"                // what the built-in backbone is pretrained on
#include "cmoe/continual/porter_stemmer.hpp"        // stems, for ROUGE
#include "cmoe/continual/text_scores.hpp"           // exact match, ROUGE, edit similarity
#include "cmoe/continual/metrics.hpp"               // the matrix of scores and every number made of it
#include "cmoe/continual/learner.hpp"               // what a method is
#include "cmoe/continual/replay.hpp"                // items of past tasks, trained on again
#include "cmoe/continual/prompt_memory.hpp"         // prompts of past tasks, for gates
#include "cmoe/continual/sequential.hpp"            // one set of weights for all tasks: fine-tuning, LoRA, replay
#include "cmoe/continual/kept_arrays.hpp"           // named arrays in a learner's state
#include "cmoe/continual/regularized.hpp"           // one model, tasks in turn, and what protects the old ones
#include "cmoe/continual/baselines/ewc.hpp"         // elastic weight consolidation, also online
#include "cmoe/continual/baselines/lwf.hpp"         // learning without forgetting
#include "cmoe/continual/baselines/olora.hpp"       // IncLoRA and O-LoRA
#include "cmoe/continual/baselines/inflora.hpp"     // InfLoRA
#include "cmoe/continual/baselines/moelora.hpp"     // LoRA experts routed by token
#include "cmoe/continual/baselines/progressive_prompts.hpp"  // prompts in front of prompts
#include "cmoe/continual/baselines/l2p.hpp"         // a pool of prompts with keys
#include "cmoe/continual/per_task.hpp"              // one LoRA a task, told which: the bound
#include "cmoe/continual/pmoe_learner.hpp"          // how PMoE learns a stream
#include "cmoe/continual/pseudo_samples.hpp"        // prompts of past tasks, made by a model that learnt to write them
#include "cmoe/continual/dapt_learner.hpp"          // how DAPT does
#include "cmoe/continual/seta_learner.hpp"          // how SETA does
#include "cmoe/continual/moduleformer_learner.hpp"  // how ModuleFormer does
#include "cmoe/continual/evaluate.hpp"              // scores of a learner
#include "cmoe/continual/any_learner.hpp"           // a learner of any type behind one type
#include "cmoe/continual/stream_run.hpp"            // the run over a stream

// io: files: models, adapters, checkpoints, tokenizers, streams, reports
// These headers are not included here: they are opt-in, because some of them need nlohmann-json and zlib. Link cmoe::io instead of
// cmoe::cmoe to use them.
