# The vcpkg port without vcpkg: the manifest is well formed and says what CMake says, and the portfile runs with stand-ins for vcpkg's
# functions that do what vcpkg documents; what it leaves is consumed.
source "$(dirname "$0")/common.sh"
enter vcpkg_port
cmake -DPORT_FOLDER="$clone/packaging/vcpkg/ports/cmoe" -DWORK="$folder" -P "$here/port.cmake" >log 2>&1 || { cat log; fail "the port"; }
cp -r "$clone/test_package" consumer
cmake -S consumer -B build -DCMAKE_PREFIX_PATH="$folder/packages" >log 2>&1 && cmake --build build >log 2>&1 || { cat log; fail "the consumer of the port"; }
build/app
