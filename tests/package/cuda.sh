# cmoe::cuda from the installed package: nvcc compiles it in the consumer's build, here for one architecture.
source "$(dirname "$0")/common.sh"
nvcc=$(PATH=$PATH:/usr/local/cuda/bin command -v nvcc) || skip "cuda: there is no nvcc"
enter cuda
cp "$here"/cuda/* .
CMAKE_CUDA_COMPILER_LAUNCHER=$CMOE_LAUNCHER cmake -B build -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_CUDA_COMPILER="$nvcc" -DCMAKE_CUDA_ARCHITECTURES=90-real >log ||
  { cat log; fail "configuring"; }
cmake --build build >log || { cat log; fail "building"; }
build/app
