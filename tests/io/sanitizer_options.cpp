// No damaged file of a few kilobytes may make a reader ask for much memory: the sanitizer ends the program then.
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() { return "max_allocation_size_mb=64:allocator_may_return_null=0"; }
