// What keeps an addon that is built with a new glibc loadable with an old one (2.28, the oldest that Node runs with).
#include <pthread.h>

extern "C" {

// The C++ library asks the C library whether there is one thread only, and saves atomic operations then. The C library
// can tell since glibc 2.32; Node has always more than one, so the answer is known.
__attribute__((visibility("hidden"))) char __libc_single_threaded = 0;

// Threads moved from libpthread into libc with glibc 2.34, under a new version each. The old version is there too, in
// either library. The linker is told to bring all calls here (--wrap, see CMakeLists.txt).
int __wrap_pthread_create(pthread_t* thread, const pthread_attr_t* options, void* (*run)(void*), void* with);
int __wrap_pthread_join(pthread_t thread, void** result);
int firstPthreadCreate(pthread_t* thread, const pthread_attr_t* options, void* (*run)(void*), void* with);
int firstPthreadJoin(pthread_t thread, void** result);

// Another processor or C library has what it is built with.
#if defined(__GLIBC__) && defined(__x86_64__)
__asm__(".symver firstPthreadCreate, pthread_create@GLIBC_2.2.5");
__asm__(".symver firstPthreadJoin, pthread_join@GLIBC_2.2.5");
#elif defined(__GLIBC__) && defined(__aarch64__)
__asm__(".symver firstPthreadCreate, pthread_create@GLIBC_2.17");
__asm__(".symver firstPthreadJoin, pthread_join@GLIBC_2.17");
#else
#define firstPthreadCreate __real_pthread_create
#define firstPthreadJoin __real_pthread_join
int firstPthreadCreate(pthread_t* thread, const pthread_attr_t* options, void* (*run)(void*), void* with);
int firstPthreadJoin(pthread_t thread, void** result);
#endif

int __wrap_pthread_create(pthread_t* thread, const pthread_attr_t* options, void* (*run)(void*), void* with) {
  return firstPthreadCreate(thread, options, run, with);
}

int __wrap_pthread_join(pthread_t thread, void** result) { return firstPthreadJoin(thread, result); }

}  // extern "C"
