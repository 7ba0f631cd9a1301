// The C++ library asks the C library whether there is one thread only, and saves atomic operations then. The C library
// can tell since glibc 2.32; Node has always more than one, so the answer is known, and older ones will do.
extern "C" {
__attribute__((visibility("hidden"))) char __libc_single_threaded = 0;
}
